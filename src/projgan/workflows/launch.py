"""Starting the processes that train one run together: the same command line, once for each.

What makes them one group is their environment (RANK, WORLD_SIZE, MASTER_ADDR ...), which torchrun
and `accelerate launch` set likewise; `training.ranks` reads it. This starter adds what a user at a
terminal expects: Ctrl-C saves once, and one process that ends badly ends all.
"""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import FrameType

from projgan.errors import ResourceError, UsageError

_GRACE_S = 12.0
"""After one process has ended badly the others have so long to end by themselves."""
_ASK_S = 3.0
"""Then they are asked to: one that still waits for the others to begin knows of nothing."""
_LOOK_S = 0.1


@dataclass(frozen=True)
class Crew:
    """How many processes, and where.

    Attributes:
        here: processes on this machine.
        machines: how many machines run this command, each with as many processes.
        machine: which of them this is, from 0.
        meeting: host:port of machine 0, where the processes find each other; empty with one.
    """

    here: int
    machines: int = 1
    machine: int = 0
    meeting: str = ""

    def __post_init__(self) -> None:
        if self.here < 1 or not 0 <= self.machine < self.machines:
            raise UsageError(
                f"no group has {self.here} processes on machine {self.machine} of {self.machines}",
                where="options --launch, --machines, --machine",
                next_command="machines are counted from 0; --launch takes at least 1",
            )
        host, _, port = self.meeting.rpartition(":")
        if self.machines > 1 and not (host and port.isdigit()):
            raise UsageError(
                "several machines need a place to meet",
                where="option --meet",
                next_command="--meet HOST:PORT of machine 0, the same on all of them",
            )

    def environment(self, local_rank: int) -> dict[str, str]:
        """What tells a process who it is."""
        host, _, port = self.meeting.rpartition(":")
        return {
            "RANK": str(self.machine * self.here + local_rank),
            "LOCAL_RANK": str(local_rank),
            "WORLD_SIZE": str(self.machines * self.here),
            "LOCAL_WORLD_SIZE": str(self.here),
            "MASTER_ADDR": host,
            "MASTER_PORT": port,
            # Of the layers below, which tell of every broken connection with their own traceback.
            "TORCH_CPP_LOG_LEVEL": os.environ.get("TORCH_CPP_LOG_LEVEL", "FATAL"),
        }


def launch(crew: Crew, arguments: Sequence[str]) -> int:
    """Run `projgan ARGUMENTS` in all processes; returns the exit code of the whole.

    Ctrl-C and SIGTERM are handed on to every process once.
    Raises: ResourceError: a process was killed, and no other said so.
    """
    if not crew.meeting:
        crew = Crew(crew.here, meeting=f"127.0.0.1:{_free_port()}")
    command = [sys.executable, "-m", "projgan", *arguments]
    children: list[subprocess.Popen[bytes]] = []
    with _handing_on(children):
        for local_rank in range(crew.here):
            environment = os.environ | crew.environment(local_rank)
            # A session of its own: the terminal's Ctrl-C would come on top of what is handed on.
            children.append(subprocess.Popen(command, env=environment, start_new_session=True))
        _wait(children)
    return _code(crew, [child.returncode for child in children])


def _wait(children: Sequence[subprocess.Popen[bytes]]) -> None:
    """Until all have ended; what outlives a bad end for too long is killed."""
    bad_since = float("inf")
    is_asked = False
    while any(child.poll() is None for child in children):
        if any(child.returncode for child in children):
            bad_since = min(bad_since, time.monotonic())
        if not is_asked and time.monotonic() > bad_since + _ASK_S:
            is_asked = True
            _send(children, signal.SIGTERM)
        if time.monotonic() > bad_since + _GRACE_S:
            _send(children, signal.SIGKILL)
        time.sleep(_LOOK_S)


def _send(children: Sequence[subprocess.Popen[bytes]], number: int) -> None:
    for child in children:
        if child.poll() is None:
            child.send_signal(number)


def _code(crew: Crew, codes: Sequence[int]) -> int:
    """Of all: that of the first process that said what is wrong."""
    said = [code for code in codes if code > 0]
    if said:
        return said[0]
    for local_rank, code in enumerate(codes):
        if code < 0:
            rank = crew.environment(local_rank)["RANK"]
            raise ResourceError(
                f"process {rank} was killed by {signal.Signals(-code).name}",
                safe="the last checkpoint is intact",
                next_command="projgan resume RUN --launch N",
            )
    return 0


@contextlib.contextmanager
def _handing_on(children: Sequence[subprocess.Popen[bytes]]) -> Iterator[None]:
    """SIGINT and SIGTERM go to the children, and end this process only when they have ended."""

    def handle(number: int, _frame: FrameType | None) -> None:
        _send(children, number)

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])
