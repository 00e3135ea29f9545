"""`projgan prune`: what goes, what never goes, and what a crash in the middle leaves."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from projgan import storage
from projgan.errors import BusyError, UsageError
from projgan.rundir import RunDir
from projgan.workflows import prune as prune_module
from projgan.workflows.prune import Keep, prune


def write_run(root: Path, *, checkpoints: int = 4, snapshots: int = 3) -> RunDir:
    """A run as its folders say, with both best ones, and things that projgan does not know."""
    run = RunDir(root)
    run.create()
    run.config.write_text("{}")
    run.history.write_text("")
    for number in range(1, checkpoints + 1):
        write(run.checkpoints / f"step-{number:08d}")
    for number in range(1, snapshots + 1):
        write(run.snapshot(number * 10))
    write(run.best)
    write(run.best_checkpoint)
    (run.root / "notes.txt").write_text("mine")
    (run.snapshots / "000000010.evaluation.json").write_text("{}")
    return run


def write(folder: Path) -> None:
    def files(target: Path) -> None:
        (target / "weights.safetensors").write_bytes(folder.name.encode() * 100)
        (target / "state.json").write_text("{}")

    storage.write_folder(folder, files)


def paths(run: RunDir) -> set[str]:
    return {str(path.relative_to(run.root)) for path in run.root.rglob("*")} - {".lock"}


def folders(run: RunDir) -> list[str]:
    return sorted(
        str(path.relative_to(run.root))
        for parent in (run.checkpoints, run.snapshots)
        for path in parent.iterdir()
    )


KEPT = [
    "checkpoints/best",
    "checkpoints/step-00000003",
    "checkpoints/step-00000004",
    "snapshots/000000010.evaluation.json",
    "snapshots/000000030",
    "snapshots/best",
]


def test_nothing_goes_until_it_is_told_to(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    before = paths(run)
    (planned,) = prune(run.root, Keep())
    assert paths(run) == before
    assert not run.lock.exists()
    assert [str(path.relative_to(run.root)) for path in planned.folders] == [
        "snapshots/000000010",
        "snapshots/000000020",
        "checkpoints/step-00000001",
        "checkpoints/step-00000002",
    ]
    size = storage.folder_bytes(run.root)
    (done,) = prune(run.root, Keep(), remove=True)
    assert done.folders == planned.folders
    assert folders(run) == KEPT
    assert (run.root / "notes.txt").read_text() == "mine"
    lock = run.lock.stat().st_size
    assert storage.folder_bytes(run.root) - lock == size - planned.num_bytes
    (again,) = prune(run.root, Keep(), remove=True)
    assert again.folders == [] and again.num_bytes == 0


def test_as_many_as_wanted_stay(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    (done,) = prune(run.root, Keep(checkpoints=3, snapshots=9), remove=True)
    assert [path.name for path in done.folders] == ["step-00000001"]
    for few in ({"checkpoints": 1}, {"snapshots": 0}):
        with pytest.raises(UsageError, match="must be kept"):
            Keep(**few)


def test_only_verified_ones_count_and_damaged_ones_stay(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    for folder in (run.checkpoints / "step-00000003", run.snapshot(30)):
        weights = folder / "weights.safetensors"
        content = bytearray(weights.read_bytes())
        content[50] ^= 1
        weights.write_bytes(content)  # of the same size
    (done,) = prune(run.root, Keep(), remove=True)
    assert [path.name for path in done.folders] == ["000000010", "step-00000001"]
    assert "checkpoints/step-00000003 is damaged; it is kept" in done.notes
    assert "snapshots/000000030 is damaged; it is kept" in done.notes


def test_what_is_not_known_stays(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    mine = run.snapshot(10) / "picture.png"
    mine.write_bytes(b"mine")
    (run.checkpoints / "step-00000001" / "manifest.json").unlink()
    elsewhere = tmp_path / "elsewhere"
    write(elsewhere)
    os.symlink(elsewhere, run.snapshot(5))
    pictures = run.snapshot(7)
    pictures.mkdir()
    (pictures / "cat.jpg").write_bytes(b"a picture of the user's")
    (done,) = prune(run.root, Keep(), remove=True)
    assert [path.name for path in done.folders] == ["000000020", "step-00000002"]
    assert mine.exists() and elsewhere.is_dir() and run.snapshot(5).is_symlink()
    assert (pictures / "cat.jpg").exists()
    assert "3 snapshots with other files in them are kept" in done.notes


def test_a_folder_that_is_a_link_is_not_pruned(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    run.snapshots.rename(tmp_path / "moved")
    os.symlink(tmp_path / "moved", run.snapshots)
    (tmp_path / "moved" / ".writing-000000040-1").mkdir()
    (done,) = prune(run.root, Keep(), remove=True)
    assert all(path.parent.name == "checkpoints" for path in done.folders)
    assert done.leftovers == []
    assert (tmp_path / "moved" / "000000010").is_dir()


def test_leftovers_of_interrupted_saves_go(tmp_path: Path) -> None:
    run = write_run(tmp_path / "run")
    leftover = run.checkpoints / ".writing-step-00000005-77"
    leftover.mkdir()
    (leftover / "generator.safetensors").write_bytes(bytes(500))
    (planned,) = prune(run.root, Keep())
    assert planned.leftovers == [leftover] and leftover.exists()
    prune(run.root, Keep(), remove=True)
    assert not leftover.exists()


def test_a_run_that_is_held_is_refused_and_among_others_left_alone(tmp_path: Path) -> None:
    held, free = write_run(tmp_path / "held"), write_run(tmp_path / "free")
    before = paths(held)
    with held.locked():
        for remove in (False, True):
            with pytest.raises(BusyError, match=f"process {os.getpid()} is training"):
                prune(held.root, Keep(), remove=remove)
        done = {one.run.name: one for one in prune(tmp_path, Keep(), remove=True)}
    assert paths(held) == before
    assert "is training" in done["held"].busy and not done["held"].folders
    assert len(done["free"].folders) == 4
    assert folders(free) == KEPT


@pytest.mark.parametrize("crash_at", range(1, 9))
def test_a_crash_leaves_a_run_that_is_whole_and_the_next_pruning_ends_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, crash_at: int
) -> None:
    """Between any two of its steps: four folders, each renamed and then removed."""
    run, calls = write_run(tmp_path / "run"), [0]

    def counted(honest: Any) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            calls[0] += 1
            if calls[0] == crash_at:
                raise KeyboardInterrupt
            return honest(*args, **kwargs)

        return call

    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", counted(Path.rename))
        patch.setattr(storage.shutil, "rmtree", counted(storage.shutil.rmtree))
        with pytest.raises(KeyboardInterrupt):
            prune(run.root, Keep(), remove=True)
    for name in ("step-00000003", "step-00000004", "best"):
        storage.verify_folder(run.checkpoints / name)
    for folder in (run.snapshot(30), run.best):
        storage.verify_folder(folder)
    left = [folder for folder in folders(run) if "/." not in folder and folder not in KEPT]
    for name in left:  # nothing under its own name is half gone
        storage.verify_folder(run.root / name)
    prune(run.root, Keep(), remove=True)
    assert folders(run) == KEPT


def test_a_folder_without_runs_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="there is no run here"):
        prune(tmp_path, Keep())
    with pytest.raises(UsageError, match="no such folder"):
        prune_module.prune(tmp_path / "nowhere", Keep())
