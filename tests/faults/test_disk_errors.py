"""G3: a disk that refuses, at any call: exit 5, what was saved stays, and nothing is left over."""

from __future__ import annotations

import argparse
import contextlib
import errno
import io
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import save_entry
from faults.disk import Operation, watched
from faults.messages import Message, complaints_about
from faults.score import Score, caught_by, size, spread
from faults.traced import calls_below, can_trace, trace
from projgan import storage
from projgan.cli import main as cli
from projgan.errors import CheckpointError

pytestmark = pytest.mark.faults
ERRORS = ("ENOSPC", "EDQUOT", "EIO", "EROFS", "EMFILE")
WRITE_SIDE = ("create", "truncate", "write", "sync", "rename", "mkdir", "unlink", "rmdir")
ENTRY = Path(save_entry.__file__)
ENV = {**os.environ, "PYTHONDONTWRITEBYTECODE": "1", "PYTHONHASHSEED": "0"}


def left_behind(run: Path) -> list[str]:
    """Complaints about a run folder right after a fault: what was saved must be there."""
    complaints = []
    steps = []
    for folder in sorted((run / "checkpoints").glob("step-*")):
        complaints += _complaints_about_folder(folder, int(folder.name[5:]))
        steps.append(int(folder.name[5:]))
    announced = run / "announced"
    if announced.exists() and max(steps, default=0) < int(announced.read_text()):
        complaints.append(f"step {announced.read_text()} was announced, and there are {steps}")
    return complaints


def _complaints_about_folder(folder: Path, step: int) -> list[str]:
    try:
        storage.verify_folder(folder)
    except CheckpointError as error:
        return [f"{folder.name}: {error.what}"]
    if (folder / "generator.bin").read_bytes() != save_entry.content_of(step, "generator.bin"):
        return [f"{folder.name} was changed"]
    return []


def after_restart(run: Path) -> list[str]:
    """Start again without a fault: it must reach the end, and leave exactly what it should."""
    try:
        save_entry._run(argparse.Namespace(run=str(run)))
    except Exception as error:
        return [f"the next start fails: {type(error).__name__}: {error}"]
    found = sorted(path.relative_to(run).as_posix() for path in run.rglob("*"))
    folders = ["checkpoints/best", "checkpoints/step-00000002", "checkpoints/step-00000003"]
    files = [f"{f}/{n}" for f in folders for n in ("generator.bin", "manifest.json", "state.json")]
    usual = [".lock", "announced", "checkpoints", "config.json", "samples", "snapshots"]
    complaints = []
    if (odd := set(found) ^ {*usual, *folders, *files}) - {"announced"}:
        complaints.append(f"left over or missing after the next start: {sorted(odd)}")
    for folder in folders:
        step = save_entry.SAVES if folder.endswith("best") else int(folder[-1])
        if (run / folder).is_dir():
            complaints += _complaints_about_folder(run / folder, step)
    return complaints


def judge_end(code: int, printed: str, run: Path) -> list[str]:
    """How a process ended that met an error: it got over it, or says what the matter is."""
    if code == 0:
        return []
    try:
        message = Message.from_json(printed)
    except (ValueError, KeyError, IndexError):
        return [f"exit code {code}, and no message: {printed[-300:]}"]
    return complaints_about(message, code=5, culprit=run.name)


def _in_process(run: Path, number: int, error: str, *, until: int) -> tuple[int, str, int]:
    """One run whose `number`-th operation and those before `until` fail: code, output, count."""
    seen = 0

    def fail(index: int, operation: Operation) -> None:
        nonlocal seen
        if operation.kind not in WRITE_SIDE:
            return
        seen += 1
        if number <= seen < until:
            code = getattr(errno, error)
            raise OSError(code, os.strerror(code), operation.path)

    printed = io.StringIO()
    with watched(run.parent, fail), contextlib.redirect_stdout(printed):
        try:
            save_entry._run(argparse.Namespace(run=str(run)))
            code = 0
        except Exception as fault:
            code = cli._report(cli.as_our_error(fault), as_json=True, cause=fault)
    return code, printed.getvalue(), seen


def _all_points(folder: Path) -> Iterator[tuple[int, str, int]]:
    code, _, count = _in_process(folder / "counted", 0, "EIO", until=0)
    assert code == 0 and count > 60
    for number in range(1, count + 1):
        for error in ERRORS:
            yield number, error, number + 1
            yield number, error, sys.maxsize


def _sweep(folder: Path, count: int) -> Iterator[tuple[str, list[str]]]:
    for number, error, until in spread(list(_all_points(folder)), count):
        run = folder / "run"
        code, printed, _ = _in_process(run, number, error, until=until)
        complaints = judge_end(code, printed, run) if until < sys.maxsize or code else []
        if until == sys.maxsize and code == 0 and not (run / "announced").exists():
            complaints.append("it ended well although nothing could be written")
        complaints += left_behind(run) if run.exists() else []
        complaints += after_restart(run)
        way = "once" if until == number + 1 else "from then on"
        yield f"{error} at operation {number} {way}", complaints
        shutil.rmtree(run)


@pytest.fixture(autouse=True)
def no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(storage, "_RETRY_AFTER_S", 0.0)


def test_every_operation_may_fail(tmp_path: Path, score: Score) -> None:
    """G3 disk errors, in one process."""
    for name, complaints in _sweep(tmp_path, size(1500, 60)):
        score.case(name, complaints)


def test_every_call_may_fail(tmp_path: Path, score: Score) -> None:
    """G3 disk errors, by strace."""
    if not can_trace():
        pytest.skip("skipped: strace is missing or may not watch; the sweep in one process ran")
    run, log = tmp_path / "run", tmp_path / "log"
    words = [sys.executable, str(ENTRY), str(run), "--json"]
    assert trace(words, tmp_path, log, env=ENV).returncode == 0
    calls = calls_below(log, run)
    assert len(calls) > 100
    for call, error in spread([(call, e) for call in calls for e in ERRORS], size(330, 5)):
        shutil.rmtree(run)
        fault = f"{call.name}:error={error}:when={call.number}"
        ended = trace(words, tmp_path, log, env=ENV, fault=fault)
        name = f"{error} at {call.name} {call.text[:80]}"
        complaints = [] if "INJECTED" in log.read_text() else ["the fault was not met"]
        complaints += judge_end(ended.returncode, ended.stdout, run)
        if "Traceback" in ended.stderr:
            complaints.append(f"a traceback: {ended.stderr[-200:]}")
        score.case(name, complaints + left_behind(run) + after_restart(run))


def _in_place(patch: pytest.MonkeyPatch) -> None:
    def write_folder(target: Path, write_files: Any, *, bytes_needed: int = 0) -> None:
        target.mkdir(parents=True)
        write_files(target)
        storage._seal(target)

    patch.setattr(storage, "write_folder", write_folder)


def _no_cleaning(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(storage, "sweep", lambda parent: [])


def _delete_first(patch: pytest.MonkeyPatch) -> None:
    right = storage.write_folder

    def write_folder(target: Path, write_files: Any, *, bytes_needed: int = 0) -> None:
        for old in target.parent.glob("step-*"):
            shutil.rmtree(old)
        right(target, write_files, bytes_needed=bytes_needed)

    patch.setattr(storage, "write_folder", write_folder)


def _errors_unnamed(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(storage, "_resource_error", lambda error, target, needed: RuntimeError("oops"))


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "in-place write": _in_place,
    "delete first": _delete_first,
    "no cleaning up": _no_cleaning,
    "errors that are not named": _errors_unnamed,
}


@pytest.mark.slow
@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_are_caught(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    """A storage with one mistake fails the same sweep."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)
        sweep = _sweep(tmp_path, 400)
        with contextlib.closing(sweep):
            assert any(complaints for _, complaints in sweep)
    caught_by(name, record_property, "G3 disk errors, in one process")
