"""`projgan runs`: each folder a line, whatever is in it, and nothing written."""

from __future__ import annotations

import json
import multiprocessing
import os
from pathlib import Path
from typing import Any

import pytest

from projgan import storage
from projgan.errors import UsageError
from projgan.rundir import RunDir
from projgan.workflows.listing import find_runs, list_runs, look_at
from tiny import tiny_config


def write_run(
    root: Path,
    *,
    saved: int = 0,
    lines: tuple[dict[str, Any], ...] = (),
    best: float | None = None,
    **changes: str,
) -> Path:
    """A run of 32 images as its files say, without networks."""
    run = RunDir(root)
    run.create()
    run.config.write_text(json.dumps(tiny_config(**changes).to_dict()))
    run.history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    if saved:
        write_checkpoint(run, saved)
    if best is not None:
        write_best(run, best)
    return root


def write_checkpoint(run: RunDir, images: int) -> Path:
    counters = {"step": images // 4, "images_seen": images, "elapsed_s": 1.0}
    folder = run.checkpoints / f"step-{images // 4:08d}"
    storage.write_folder(
        folder, lambda target: put(target / "state.json", json.dumps(counters)) and None
    )
    return folder


def write_best(run: RunDir, value: float) -> None:
    about = {"images_seen": 16, "config": {}, "figures": {"kid_lite1": value}}
    storage.write_folder(
        run.best, lambda target: put(target / "snapshot.json", json.dumps(about)) and None
    )


def put(path: Path, text: str) -> int:
    return path.write_text(text)


def row(images: int, **more: Any) -> dict[str, Any]:
    return {"images_seen": images, "step": images // 4, "elapsed_s": 1.0} | more


def health(images: int, state: str) -> dict[str, Any]:
    return {"event": "health", "images_seen": images, "state": state, "reason": "why"}


def everything(root: Path) -> dict[str, tuple[int, int]]:
    """Every path below with what a write would change."""
    found = {}
    for path in sorted(root.rglob("*")):
        stat = path.lstat()
        found[str(path)] = (stat.st_mtime_ns, stat.st_size)
    return found


def test_states(tmp_path: Path) -> None:
    flat = {"event": "flat", "images_seen": 16, "reason": "2 measurements without a better one"}
    write_run(tmp_path / "new")
    write_run(tmp_path / "finished", saved=32, lines=(row(32),), best=0.021)
    write_run(tmp_path / "flat", saved=16, lines=(row(16), flat))
    write_run(tmp_path / "timed", saved=16, training__minutes="0.01")
    write_run(tmp_path / "stopped", saved=16, lines=(row(8), row(16)))
    write_run(tmp_path / "longer", saved=16, lines=(row(16), flat, resumed(16), row(16)))
    write_run(tmp_path / "crashed", saved=8, lines=(row(8), row(12)))
    write_run(tmp_path / "diverged", saved=8, lines=(row(8), health(12, "diverged")))
    write_run(tmp_path / "alike", saved=8, lines=(row(8), health(8, "collapse")))
    write_run(tmp_path / "back", saved=8, lines=(row(4), health(8, "collapse"), rolled_back(4)))
    write_run(tmp_path / "over", saved=8, lines=(health(4, "collapse"), health(8, "learning")))
    found = {line.path.name: line for line in list_runs(tmp_path)}
    assert {name: line.state for name, line in found.items()} == {
        "new": "new",
        "finished": "finished",
        "flat": "finished",
        "timed": "finished",
        "stopped": "stopped",
        "longer": "stopped",
        "crashed": "crashed",
        "diverged": "diverged",
        "alike": "collapse",
        "back": "stopped",
        "over": "stopped",
    }
    assert found["finished"].judge == "kid_lite1" and found["finished"].best == 0.021
    assert found["stopped"].best is None
    assert (found["stopped"].images_seen, found["stopped"].images) == (16, 32)
    assert found["crashed"].images_seen == 8  # from where a resume goes on
    assert "goes on to 12 images" in found["crashed"].about
    assert found["flat"].about == flat["reason"]
    stopped = tmp_path / "stopped"
    assert found["stopped"].num_bytes == sum(
        path.stat().st_size for path in stopped.rglob("*") if path.is_file()
    )
    assert found["stopped"].changed > 1e9


def resumed(images: int) -> dict[str, Any]:
    return {"event": "resume", "images_seen": images}


def rolled_back(images: int) -> dict[str, Any]:
    return {"event": "rollback", "images_seen": images, "reason": "collapse"}


def test_the_best_of_the_history_where_no_snapshot_has_it(tmp_path: Path) -> None:
    lines = (row(8, kid_lite1=0.5), row(16, kid_lite1=0.3), row(24, kid_lite1=0.1, state="copying"))
    line = look_at(write_run(tmp_path / "run", saved=24, lines=lines))
    assert (line.judge, line.best) == ("kid_lite1", 0.3)


def hold(root: Path, ready: Any, done: Any) -> None:
    with RunDir(root).locked():
        ready.set()
        done.wait(60)


def test_a_run_that_is_held_is_running(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", saved=8, lines=(row(8), row(12)))
    context = multiprocessing.get_context("fork")
    ready, done = context.Event(), context.Event()
    process = context.Process(target=hold, args=(root, ready, done))
    process.start()
    assert ready.wait(60)
    line = look_at(root)
    done.set()
    process.join()
    assert (line.state, line.about) == ("running", f"process {process.pid}")
    assert line.images_seen == 12
    assert look_at(root).state == "crashed"  # the kernel let go of it


def break_config(run: RunDir) -> None:
    run.config.write_text("{")


def unknown_setting(run: RunDir) -> None:
    run.config.write_text('{"training": {"no_such_setting": 1}}')


def no_config(run: RunDir) -> None:
    run.config.unlink()


def config_is_a_folder(run: RunDir) -> None:
    run.config.unlink()
    run.config.mkdir()


def history_is_binary(run: RunDir) -> None:
    run.history.write_bytes(b"\xff\xfe\x00{")


def history_is_nonsense(run: RunDir) -> None:
    run.history.write_text('[1]\n{"images_seen": "many"}\n')


def checkpoint_is_cut(run: RunDir) -> None:
    next(run.checkpoints.iterdir()).joinpath("state.json").write_text("{")


def checkpoint_is_a_file(run: RunDir) -> None:
    folder = next(run.checkpoints.iterdir())
    folder.joinpath("state.json").unlink()
    folder.joinpath("manifest.json").unlink()


@pytest.mark.parametrize(
    "fault",
    [
        break_config,
        unknown_setting,
        no_config,
        config_is_a_folder,
        history_is_binary,
        history_is_nonsense,
        checkpoint_is_cut,
        checkpoint_is_a_file,
    ],
)
def test_a_broken_folder_is_a_line_and_stays_as_it_is(tmp_path: Path, fault: Any) -> None:
    write_run(tmp_path / "good", saved=32, lines=(row(32),))
    fault(RunDir(write_run(tmp_path / "bad", saved=8, lines=(row(8),))))
    before = everything(tmp_path)
    lines = {line.path.name: line for line in list_runs(tmp_path)}
    assert lines["good"].state == "finished"
    assert lines["bad"].state == "damaged"
    assert lines["bad"].about
    assert lines["bad"].num_bytes > 0
    assert everything(tmp_path) == before


def test_an_older_checkpoint_stands_in_for_a_damaged_one(tmp_path: Path) -> None:
    root = write_run(tmp_path / "run", saved=8, lines=(row(8),))
    (write_checkpoint(RunDir(root), 16) / "state.json").write_text("{")
    line = look_at(root)
    assert (line.state, line.images_seen) == ("stopped", 8)
    assert line.about == "step-00000004: state.json is damaged"


def test_runs_are_found_below_once_and_not_inside_each_other(tmp_path: Path) -> None:
    write_run(tmp_path / "runs" / "one")
    write_run(tmp_path / "runs" / "compare" / "photos" / "runs" / "lite-seed0")
    write_run(tmp_path / "runs" / "one" / "inside")
    write_run(tmp_path / "disk" / "far")
    (tmp_path / "runs" / "notes").mkdir()
    os.symlink(tmp_path / "disk" / "far", tmp_path / "runs" / "linked")
    os.symlink(tmp_path / "runs", tmp_path / "runs" / "loop")
    found = [str(path.relative_to(tmp_path / "runs")) for path in find_runs(tmp_path / "runs")]
    assert found == ["compare/photos/runs/lite-seed0", "linked", "one"]
    assert find_runs(tmp_path / "runs" / "one") == [tmp_path / "runs" / "one"]
    assert find_runs(tmp_path / "runs" / "notes") == []
    with pytest.raises(UsageError, match="no such folder"):
        find_runs(tmp_path / "nowhere")
