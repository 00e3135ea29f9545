"""Ctrl-C and SIGTERM: finish the step, save, and only then stop. A second one stops at once."""

from __future__ import annotations

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from types import FrameType

_COMPLETE, FALLEN_ELSEWHERE = 1000, 1001
"""Above every signal."""


class FallenElsewhere(Exception):
    """The main process found that the run has fallen, by what only it can see."""


class StopRequest:
    """Set by a signal, or by whoever finds the run complete; read by the loop between two steps.

    Attributes:
        signal_number: of the signal, else 0.
        reason: why the run is complete before its budget is used up, else empty.
    """

    def __init__(self) -> None:
        self.signal_number = 0
        self.reason = ""

    @property
    def number(self) -> int:
        """All of it in one number, for other processes: 0 is nothing."""
        return self.signal_number or (_COMPLETE if self.reason else 0)

    def hear(self, number: int) -> None:
        """Take over what another process was asked for.

        Raises: FallenElsewhere: that is to go back.
        """
        if number == FALLEN_ELSEWHERE:
            raise FallenElsewhere
        if number == _COMPLETE:
            self.reason = self.reason or "the main process found it complete"
        elif number:
            self.signal_number = self.signal_number or number

    def __bool__(self) -> bool:
        return self.signal_number != 0 or bool(self.reason)


@contextlib.contextmanager
def catch_signals() -> Iterator[StopRequest]:
    """Collect SIGINT and SIGTERM in a `StopRequest`; outside the main thread nothing is caught."""
    request = StopRequest()
    if threading.current_thread() is not threading.main_thread():
        yield request
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if request.signal_number:
            # Asked twice: the last checkpoint is on disk, a save in progress is not.
            os._exit(128 + number)
        request.signal_number = number

    previous = {number: signal.signal(number, handle) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield request
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
