"""G1: killed at any moment, a run resumes and ends as if nothing had happened, to the bit."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.nursery import Nursery, nursery, operations_of
from faults.runs import BATCH, CONFIGS, STEPS, unlike
from faults.score import Score, caught_by, size, spread, stream
from faults.test_disk_errors import ENTRY, ENV, after_restart, left_behind
from faults.traced import calls_below, can_trace, trace
from projgan import storage
from projgan.training.history import read_history
from tiny import write_pictures

pytestmark = pytest.mark.faults
INTERVAL = 8
"""Images between two checkpoints."""
CONFIG = CONFIGS["fastgan"] | {"training.sample_every": "24", "training.micro_batch": "4"}
WRITE_SIDE = ("create", "truncate", "write", "sync", "rename", "mkdir", "unlink", "rmdir")


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    folder = tmp_path_factory.mktemp("kills")
    write_pictures(folder / "pictures")
    with nursery(folder) as found:
        yield found


def _train(run: Path) -> list[str]:
    settings = [word for key, value in CONFIG.items() for word in ("--set", f"{key}={value}")]
    return ["train", "pictures", "--out", str(run), *settings]


@pytest.fixture(scope="module")
def straight(place: Nursery) -> tuple[Path, float, list[int]]:
    """A run that was not killed, its seconds, and the operations that its saves consist of."""
    run = place.folder / "straight"
    started = time.monotonic()
    assert place.run(*_train(run), watch=run) == 0, place.printed()
    seconds = time.monotonic() - started
    saves = [
        number
        for number, (kind, path) in enumerate(operations_of(run))
        if kind in WRITE_SIDE and f"{run}/checkpoints" in path
    ]
    assert len(saves) > 150
    return run, seconds, saves


def _go_on(place: Nursery, run: Path, whole: Path, *, mutant: str = "") -> list[str]:
    """Resume a run that was killed, to its end, and compare."""
    complaints = [
        f"{folder.name} has its name and is not whole"
        for folder in (run / "checkpoints").glob("step-*")
        if not storage.is_whole(folder)
    ]
    history = run / "history.jsonl"
    last_line = max((row["images_seen"] for row in read_history(history)), default=0)
    code = place.run("resume", str(run), mutant=mutant)
    if code == 2 and not (run / "config.json").is_file():  # killed before there was a run
        code = place.run(*_train(run), mutant=mutant)
    if code:
        return [f"it ends with {code}: {place.printed()[-300:]}"]
    printed = place.printed()
    complaints += unlike(whole, run)
    lines = history.read_text().splitlines()
    resumed = [line for line in lines if '"resume"' in line]
    if resumed and last_line - _images_in(resumed[-1]) > INTERVAL + BATCH:
        complaints.append(f"lost more than an interval: from {last_line} to {resumed[-1]}")
    for folder in (run, run / "checkpoints", run / "snapshots"):
        if left := [path.name for path in folder.glob(".*") if path.name != ".lock"]:
            complaints.append(f"left over: {left}")
    if "Traceback" in printed:
        complaints.append("a traceback")
    return complaints


def _images_in(line: str) -> int:
    return int(json.loads(line)["images_seen"])


def test_killed_in_a_save(
    place: Nursery, straight: tuple[Path, float, list[int]], score: Score
) -> None:
    """G1 kill, at numbered operations of saves."""
    whole, _, saves = straight
    for number in spread(saves, size(60, 2)):
        run = place.folder / "killed"
        assert place.run(*_train(run), watch=run, kill_at=number) == -signal.SIGKILL
        score.case(f"killed at operation {number}", _go_on(place, run, whole))
        shutil.rmtree(run)


def test_killed_at_any_time(
    place: Nursery, straight: tuple[Path, float, list[int]], score: Score
) -> None:
    """G1 kill, at random times."""
    whole, seconds, _ = straight
    rng, wanted = stream("kills"), size(40, 1)
    for number in range(3 * wanted):
        run = place.folder / f"random-{number}"
        started = time.monotonic()
        child = place.start(*_train(run))
        wait = rng.uniform(0, seconds)
        time.sleep(wait)
        with contextlib.suppress(ProcessLookupError):
            os.kill(child, signal.SIGKILL)
        if place.wait() == 0:  # it was quicker than expected: this counts for nothing
            seconds = min(seconds, time.monotonic() - started)
        else:
            score.case(f"killed after {wait:.2f} s", _go_on(place, run, whole))
        shutil.rmtree(run, ignore_errors=True)
        if score.total == wanted:
            return
    pytest.fail("the runs ended before they could be killed")


def test_killed_at_any_call(tmp_path: Path, score: Score) -> None:
    """G1 kill, by strace in a process without torch."""
    if not can_trace():
        pytest.skip("skipped: strace is missing or may not watch; numbered operations were killed")
    run, log = tmp_path / "run", tmp_path / "log"
    words = [sys.executable, str(ENTRY), str(run), "--json"]
    assert trace(words, tmp_path, log, env=ENV).returncode == 0
    calls = calls_below(log, run)
    for call in spread(calls, size(100, 4)):
        shutil.rmtree(run)
        fault = f"{call.name}:signal=SIGKILL:when={call.number}"
        code = trace(words, tmp_path, log, env=ENV, fault=fault).returncode
        complaints = [] if code in (-signal.SIGKILL, 137) else [f"not killed, but {code}"]
        complaints += left_behind(run) if run.exists() else []
        score.case(f"killed at {call.name} {call.text[:80]}", complaints + after_restart(run))


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", ["in-place write", "leftovers stay", "no optimizer state", "no random state"]
)
def test_mutants_are_caught(
    place: Nursery,
    straight: tuple[Path, float, list[int]],
    name: str,
    record_property: Callable[[str, object], None],
) -> None:
    """Killed in the middle of the last save, a program with one mistake goes on wrongly."""
    whole, _, _ = straight
    run = place.folder / "mutant"
    last = f"step-{STEPS:08d}"
    assert place.run(*_train(run), watch=run, kill_at=7, kill_in=last, mutant=name) < 0
    complaints = _go_on(place, run, whole, mutant=name)
    shutil.rmtree(run)
    assert complaints
    caught_by(name, record_property, "G1 kill, at numbered operations of saves")
