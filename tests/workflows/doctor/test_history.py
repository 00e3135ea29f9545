"""The states of a run, each planted in a copy of one tiny run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from projgan.errors import CheckpointError, UsageError
from projgan.rundir import RunDir
from projgan.training.history import append_line
from projgan.workflows.doctor.diagnosis import Diagnosis
from projgan.workflows.doctor.examine import examine, is_run
from projgan.workflows.doctor.history import examine_run
from projgan.workflows.train import resume, train
from tiny import tiny_options, write_pictures


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    work = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(work / "cache"))
        write_pictures(work / "photos")
        train(work / "photos", out=work / "run", options=tiny_options())
        yield work / "run"


@pytest.fixture
def run(finished: Path, tmp_path: Path) -> RunDir:
    """A copy that is half-way: its last checkpoint is at 24 of 32 images, as is its history."""
    copy = RunDir(tmp_path / "run")
    shutil.copytree(finished, copy.root)
    shutil.rmtree(copy.checkpoints / "step-00000008")
    lines = copy.history.read_text().splitlines()
    kept = [line for line in lines if json.loads(line)["images_seen"] <= 24]
    copy.history.write_text("\n".join(kept) + "\n")
    return copy


def state_of(diagnosis: Diagnosis) -> str:
    assert "state" in dict(diagnosis.rows)
    return str(diagnosis.facts["state"])


def break_file(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(bytes(content))


def test_finished(finished: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in finished.rglob("*")}
    diagnosis = examine_run(finished)
    assert state_of(diagnosis) == "finished" and diagnosis.exit_code == 0
    assert diagnosis.next_command.startswith("projgan sample ")
    facts = diagnosis.facts
    assert (facts["images_seen"], facts["images_saved"], facts["pictures"]) == (32, 32, "same")
    assert facts["checkpoints"] == ["step-00000006", "step-00000008"]
    assert facts["disk_bytes"] == sum(p.stat().st_size for p in finished.rglob("*") if p.is_file())
    assert before == {path: path.stat().st_mtime_ns for path in finished.rglob("*")}


def test_stopped(run: RunDir) -> None:
    diagnosis = examine_run(run.root)
    assert state_of(diagnosis) == "stopped" and diagnosis.exit_code == 0
    assert diagnosis.next_command == f"projgan resume {run.root}"
    assert "24 of 32 images (75.0%)" in dict(diagnosis.rows)["progress"]
    resume(run.root)
    assert state_of(examine_run(run.root)) == "finished"


def test_killed(run: RunDir) -> None:
    append_line(run.history, {"images_seen": 30, "elapsed_s": 9.0, "images_per_s": 3.0})
    (run.checkpoints / ".writing-step-9-1").mkdir()
    diagnosis = examine_run(run.root)
    assert state_of(diagnosis) == "crashed" and diagnosis.exit_code == 0
    assert diagnosis.facts["images_lost"] == 6
    assert "6 images" in dict(diagnosis.rows)["state"]
    assert (run.checkpoints / ".writing-step-9-1").exists()


def test_running(run: RunDir) -> None:
    with run.locked():
        diagnosis = examine_run(run.root)
        assert state_of(diagnosis) == "running" and diagnosis.exit_code == 0
        assert str(diagnosis.facts["holder"]).startswith("process ")
        assert "resume" not in diagnosis.next_command
    assert state_of(examine_run(run.root)) == "stopped"


def test_not_begun(run: RunDir) -> None:
    for folder in (run.checkpoints, run.snapshots):
        shutil.rmtree(folder)
        folder.mkdir()
    run.history.unlink()
    diagnosis = examine_run(run.root)
    assert state_of(diagnosis) == "new" and diagnosis.facts["pictures"] == "there"


def test_one_damaged_checkpoint(run: RunDir) -> None:
    shutil.copytree(run.checkpoints / "step-00000006", run.checkpoints / "step-00000007")
    break_file(run.checkpoints / "step-00000007" / "generator.safetensors")
    diagnosis = examine_run(run.root)
    assert diagnosis.exit_code == 4
    assert list(diagnosis.facts["damaged"]) == ["step-00000007"]
    assert "generator.safetensors is damaged" in diagnosis.as_dict()["problems"][0]
    assert diagnosis.next_command == f"projgan resume {run.root}"


def test_nothing_whole_but_snapshots(run: RunDir) -> None:
    break_file(run.checkpoints / "step-00000006" / "optimizer_g.safetensors")
    break_file(run.snapshots / "000000016" / "generator.safetensors")
    diagnosis = examine_run(run.root)
    assert diagnosis.exit_code == 4 and diagnosis.next_command.startswith("projgan sample ")
    assert diagnosis.facts["snapshots"] == ["000000032"]
    assert len(diagnosis.as_dict()["problems"]) == 2


def test_a_damaged_config_names_a_copy(run: RunDir) -> None:
    run.config.write_text("{")
    assert is_run(run.root)
    with pytest.raises(CheckpointError, match="cannot be read") as caught:
        examine_run(run.root)
    words = caught.value.next_command.split()
    shutil.copy(words[1], words[2])
    assert state_of(examine_run(run.root)) == "stopped"


def test_missing_pictures(
    run: RunDir, finished: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    photos = finished.parent / "photos"
    photos.rename(tmp_path / "elsewhere")
    try:
        diagnosis = examine_run(run.root)
        assert (diagnosis.exit_code, diagnosis.facts["pictures"]) == (0, "cached")
        monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "empty"))
        diagnosis = examine_run(run.root)
        assert (diagnosis.exit_code, diagnosis.facts["pictures"]) == (3, "gone")
        assert "data.path=NEW_PLACE" in diagnosis.next_command
    finally:
        (tmp_path / "elsewhere").rename(photos)
    # Not known to that cache, so the files themselves are read.
    assert examine_run(run.root).facts["pictures"] == "same"
    assert not (tmp_path / "empty").exists()


def test_changed_pictures(run: RunDir, finished: Path) -> None:
    added = finished.parent / "photos" / "new.png"
    shutil.copy(finished.parent / "photos" / "000.png", added)
    try:
        diagnosis = examine_run(run.root)
    finally:
        added.unlink()
    assert (diagnosis.exit_code, diagnosis.facts["pictures"]) == (3, "changed")
    assert "1 added, 0 removed, 0 changed" in diagnosis.as_dict()["problems"][0]
    assert "--accept-data-change" in diagnosis.next_command


def test_figures_speed_and_the_best_snapshot(run: RunDir) -> None:
    for images, distance, speed in ((16, 5.0, 8.0), (20, 4.0, 1.0), (24, 6.0, 8.0)):
        line = {"images_seen": images, "elapsed_s": 1.0, "images_per_s": speed}
        append_line(run.history, line | {"kid_lite1": distance, "state": "learning"})
    lines = [json.loads(line) | {"images_per_s": 8.0} for line in run.history.open()]
    lines[-2]["images_per_s"] = 1.0
    run.history.write_text("".join(json.dumps(line) + "\n" for line in lines))
    diagnosis = examine_run(run.root)
    rows = dict(diagnosis.rows)
    assert rows["health"] == "learning" and "kid_lite1 6" in rows["last figures"]
    assert diagnosis.facts["best"] == "000000016" and "kid_lite1 5" in rows["best"]
    assert diagnosis.facts["slow_lines"] == 1 and rows["speed"].startswith("8 images/s")


def test_parts_of_runs_are_named(run: RunDir) -> None:
    for part in (run.snapshots / "000000016", run.checkpoints / "step-00000006"):
        with pytest.raises(UsageError, match="a part of a run") as caught:
            examine(str(part))
        assert caught.value.next_command == f"projgan doctor {run.root}"
