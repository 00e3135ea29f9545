"""G7: signals end a run with everything saved; of two processes in a run folder, one wins."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from faults.messages import Message, carry_out, complaints_about
from faults.nursery import Nursery, nursery
from faults.score import Score, caught_by, size, stream
from faults.test_kills import _train
from projgan import storage
from projgan.rundir import RunDir
from tiny import write_pictures

pytestmark = pytest.mark.faults
CONTENDER = """
import sys, time
from pathlib import Path
from projgan.errors import BusyError
from projgan.rundir import RunDir
run = RunDir(Path(sys.argv[1]))
print("ready", flush=True)
while not Path(sys.argv[2]).exists():
    time.sleep(0.001)
if len(sys.argv) > 3:
    import fcntl
    fcntl.flock = lambda *words: None
try:
    with run.locked():
        print("won", flush=True)
        sys.stdin.readline()
except BusyError as error:
    print("lost", error.what, flush=True)
    sys.exit(error.exit_code)
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nursery]:
    folder = tmp_path_factory.mktemp("signals")
    write_pictures(folder / "pictures")
    with nursery(folder) as found:
        yield found


def test_a_signal_saves_and_names_the_command_that_goes_on(place: Nursery, score: Score) -> None:
    """G7 signals."""
    rng = stream("signals")
    place.run(*_train(place.folder / "first"))  # prepares the pictures
    for number in range(size(20, 2)):
        run = place.folder / f"run-{number}"
        name, code = (("SIGTERM", 143), ("SIGINT", 130))[number % 2]
        child = place.start(*_train(run), "--set", "training.images=4000", "--json")
        while not list((run / "checkpoints").glob("step-*")):
            time.sleep(0.01)
        wait = rng.uniform(0, 1)
        time.sleep(wait)
        started = time.monotonic()
        os.kill(child, getattr(signal, name))
        ended = place.wait()
        complaints = [] if ended == code else [f"exit code {ended}: {place.printed()[-200:]}"]
        if time.monotonic() - started > 60:
            complaints.append("it took more than a minute")
        message = Message.from_json(place.printed())
        complaints += complaints_about(message, code=code, culprit="checkpoints", needs_next=True)
        if not storage.is_whole(Path(message.safe)):
            complaints.append(f"{message.safe} is not whole")
        if number % 4 == 0:
            # It has gone further than that already, and so ends at once.
            run_it = lambda words: place.run(*words, "--set", "training.images=8")  # noqa: E731
            complaints += carry_out(message, run_it)
        score.case(f"{name} after {wait:.2f} s", complaints)
        shutil.rmtree(run)


def _race(folder: Path, number: int, *, without_lock: bool = False) -> list[str]:
    run, go = RunDir(folder / f"run-{number}"), folder / f"go-{number}"
    run.create()
    words = [sys.executable, "-c", CONTENDER, str(run.root), str(go)]
    pair = [
        subprocess.Popen(
            [*words, *(["without"] if without_lock else [])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )  # fmt: skip
        for _ in range(2)
    ]
    with contextlib.ExitStack() as stack:
        for process in pair:
            stack.enter_context(process)
            assert process.stdout is not None and process.stdout.readline() == "ready\n"
        go.touch()
        said = [process.stdout.readline() for process in pair if process.stdout is not None]
        winners = [p for p, word in zip(pair, said, strict=True) if word == "won\n"]
        complaints = [] if len(winners) == 1 else [f"{len(winners)} winners"]
        if len(winners) == 1:
            loser = next(word for word in said if word != "won\n")
            if f"process {winners[0].pid}" not in loser:
                complaints.append(f"the winner is not named: {loser}")
            # Its death frees the run.
            winners[0].kill()
            winners[0].wait()
            with run.locked():
                pass
        for process in pair:
            process.kill()
    return complaints


def test_of_two_processes_one_wins(tmp_path: Path, score: Score) -> None:
    """G7 locks."""
    for number in range(size(20, 3)):
        score.case(f"race {number}", _race(tmp_path, number))


def test_a_lock_that_does_not_hold_is_caught(
    tmp_path: Path, record_property: Callable[[str, object], None]
) -> None:
    """The mutant of the races."""
    assert _race(tmp_path, 0, without_lock=True)
    caught_by("a lock that does not hold", record_property, "G7 locks")


def test_a_busy_run_is_refused_before_anything_heavy_is_loaded(tmp_path: Path) -> None:
    code = (
        "import sys; from projgan.cli.main import run; code = run(sys.argv[1:]);"
        "assert 'torch' not in sys.modules; sys.exit(code)"
    )
    run = RunDir(tmp_path / "run")
    run.create()
    with run.locked():
        ended = subprocess.run(
            [sys.executable, "-c", code, "resume", str(run.root), "--json"],
            capture_output=True, text=True, check=False,
        )  # fmt: skip
    assert ended.returncode == 8, ended.stderr
    message = Message.from_json(ended.stdout)
    assert not complaints_about(message, code=8, culprit=f"process {os.getpid()}")
