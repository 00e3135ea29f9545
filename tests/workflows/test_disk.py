"""What a run takes on its disk: told before, true afterwards, and watched on the way."""

from __future__ import annotations

import shutil
from collections import namedtuple
from pathlib import Path

import pytest

from notes import Notes
from projgan import storage
from projgan.rundir import RunDir
from projgan.training.state import new_state
from projgan.workflows import disk as disk_module
from projgan.workflows.disk import DiskUse, DiskWatch, estimate, in_words
from projgan.workflows.train import train
from tiny import tiny_config, tiny_options, write_pictures

Usage = namedtuple("Usage", "total used free")


def test_the_estimate_is_what_a_run_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    changes = {
        "training__images": "24",
        "training__snapshot_every": "8",
        "training__keep_snapshots": "2",
        "metrics__every": "0",
    }
    options, config = tiny_options(**changes), tiny_config(**changes)
    use = estimate(new_state(config), config)
    assert (use.num_checkpoints, use.num_snapshots) == (2, 2)
    watch = Notes()
    run = train(
        write_pictures(tmp_path / "pictures"), out=tmp_path / "run", options=options, watch=watch
    ).run
    told = [note for note in watch.notes if " takes up to " in note]
    assert len(told) == 1
    assert "2 checkpoints of " in told[0] and "2 snapshots of " in told[0]
    assert told[0].endswith(" are free")
    for folder in (run / "checkpoints").iterdir():
        assert 0.9 * use.checkpoint < storage.folder_bytes(folder) < use.checkpoint
    for folder in (run / "snapshots").iterdir():
        assert use.snapshot < storage.folder_bytes(folder) < 1.1 * use.snapshot + 20_000
    assert storage.folder_bytes(run) < use.kept * 1.05


def test_what_is_kept_counts() -> None:
    config = tiny_config(
        training__images="4000",
        training__snapshot_every="16",
        training__checkpoint_every="16",
        training__keep_checkpoints="3",
        metrics__every="8",
        health__on_collapse="rollback",
    )
    use = estimate(new_state(config), config)
    assert (use.num_checkpoints, use.num_snapshots) == (4, 11)  # each with the best one
    assert use.at_once == use.kept + use.checkpoint
    config = tiny_config(training__images="4000", training__keep_snapshots="0")
    assert estimate(new_state(config), config).num_snapshots == 250
    assert [in_words(size) for size in (900, 23_400_000, 1_420_000_000)] == [
        "1 kB",
        "23 MB",
        "1.4 GB",
    ]


def test_a_disk_that_fills_is_told_of_once_and_again_when_it_gets_urgent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config, notes = tiny_config(), Notes()
    run = RunDir(tmp_path / "run")
    run.create()
    free = [10**12]
    monkeypatch.setattr(disk_module.shutil, "disk_usage", lambda path: Usage(10**12, 0, free[0]))
    watch = DiskWatch(run, config, new_state(config), notes.note)
    watch.use = DiskUse(1000_000, 100_000, 2, 10, 5, 500_000)  # 4.5 MB at once
    watch.begin(is_whole=True)
    assert len(notes.notes) == 1  # enough
    (run.checkpoints / "old").write_bytes(bytes(2_000_000))  # 2.5 MB are still to come
    free[0] = 3_000_000
    watch.look()
    assert len(notes.notes) == 1
    free[0] = 2_400_000
    watch.look()
    watch.look()
    assert len(notes.notes) == 2
    assert "the disk may fill up: 2 MB are free, and up to 2 MB are still to come" in notes.notes[1]
    assert "training.keep_snapshots=3" in notes.notes[1]
    free[0] = 1_900_000
    watch.look()
    watch.look()
    assert len(notes.notes) == 3
    assert "only 2 MB are free: a save may fail soon" in notes.notes[2]


def test_a_run_warns_before_its_disk_is_full(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half-way, another program takes what was free; the saves themselves still find room."""
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    run, real = tmp_path / "run", shutil.disk_usage

    def usage(path: Path) -> Usage:
        found = real(path)
        is_late = (run / "checkpoints" / "step-00000002").is_dir()
        return Usage(found.total, found.used, 10_000_000 if is_late else found.free)

    monkeypatch.setattr(disk_module.shutil, "disk_usage", usage)
    monkeypatch.setattr(storage, "_require_space", lambda parent, bytes_needed: None)
    watch = Notes()
    pictures = write_pictures(tmp_path / "pictures")
    options = tiny_options(training__images="16", metrics__every="0")
    train(pictures, out=run, options=options, watch=watch)
    warnings = [note for note in watch.notes if "Make room" in note]
    assert len(warnings) == 1
    assert watch.notes.index(warnings[0]) > 0
