"""The clock of the machine may be wrong, or set while a run goes on: nothing follows from it."""

from __future__ import annotations

import itertools
import os
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from projgan.training.checkpoint import find_latest
from projgan.training.history import read_history
from projgan.workflows.train import resume, train
from tiny import tiny_options, write_pictures

TEN_YEARS_S = 10 * 365 * 86_400.0
OPTIONS = tiny_options(training__images="24", training__minutes="5", metrics__every="0")


def weights(run: Path) -> dict[str, torch.Tensor]:
    checkpoint, problems = find_latest(run / "checkpoints")
    assert checkpoint is not None and not problems
    assert checkpoint.counters["images_seen"] == 24
    return load_file(checkpoint.folder / "generator.safetensors")


def test_jumps_of_the_clock_change_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Ten years back and forth from call to call, and files with dates in any order."""
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    pictures = write_pictures(tmp_path / "pictures")
    right = train(pictures, out=tmp_path / "right", options=OPTIONS)

    real, jumps = time.time, itertools.cycle((-TEN_YEARS_S, 0.0, TEN_YEARS_S))
    monkeypatch.setattr(time, "time", lambda: real() + next(jumps))
    monkeypatch.setattr(time, "time_ns", lambda: int((real() + next(jumps)) * 1e9))
    run = tmp_path / "wrong"
    train(pictures, out=run, options=OPTIONS, until=16)
    for number, path in enumerate(sorted(run.rglob("*"), reverse=True)):
        date = real() + (TEN_YEARS_S if number % 2 else -TEN_YEARS_S) - number
        os.utime(path, (date, date))  # the newest checkpoint has the oldest date
    monkeypatch.setenv("TZ", "Pacific/Kiritimati")
    time.tzset()
    try:
        wrong = resume(run)
    finally:
        monkeypatch.delenv("TZ")
        time.tzset()

    assert wrong.images_seen == right.images_seen == 24
    first, second = weights(right.run), weights(run)
    assert all(torch.equal(first[name], second[name]) for name in first)
    assert 0 < wrong.elapsed_s < 5 * 60  # its five minutes were not used up by a jump
    for row in read_history(run / "history.jsonl"):
        assert 0 <= row["elapsed_s"] < 5 * 60
        assert row.get("images_per_s", 1.0) > 0


def test_no_duration_is_taken_from_the_clock() -> None:
    """`time.time` may tell dates; where it is used is known. All else uses `time.monotonic`."""
    source = Path(__file__).resolve().parents[2] / "src" / "projgan"
    users = {
        path.relative_to(source).as_posix()
        for path in source.rglob("*.py")
        if "time.time()" in path.read_text(encoding="utf-8")
    }
    assert users == {"workflows/doctor/history.py"}  # the age of a file, which only the clock knows
