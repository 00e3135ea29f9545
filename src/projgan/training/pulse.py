"""Signs of life between processes: one that is gone or stands still ends them all, and is named.

Every process counts up a number in a store of the main one's, and looks at the numbers of the
others. Whoever has not counted for `SILENT_S` seconds is gone (killed) or stopped (SIGSTOP, a hung
driver); then no process waits for it: each ends with exit code 5. A process that merely waits, for
the main one to measure or for a slow disk, counts on, in a thread of its own.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from torch.distributed import TCPStore  # type: ignore[attr-defined]

from projgan.errors import ResourceError

BEAT_S = 1.0
SILENT_S = 12.0
_START_S = 60.0
"""How long the others may take to show their first sign."""
_GONE = "gone"


class Pulse:
    """The signs of this process, and the eye on the others; one thread.

    Args:
        index, count: which of how many processes this is.
        tell: hands the main process's value to all.
    """

    def __init__(self, index: int, count: int, tell: Callable[[Any], Any]) -> None:
        self._index, self._count = index, count
        host = os.environ.get("MASTER_ADDR", "127.0.0.1")
        wait = timedelta(seconds=SILENT_S)
        if index == 0:
            self._store = TCPStore(host, 0, is_master=True, wait_for_workers=False, timeout=wait)
        port = tell(self._store.port if index == 0 else None)
        if index:
            self._store = TCPStore(host, port, wait_for_workers=False, timeout=wait)
        self._is_over, self._is_stuck = threading.Event(), threading.Event()
        self._thread = threading.Thread(target=self._run, name="pulse", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Say goodbye: from now on this process is not missed."""
        if not self._is_over.is_set():
            self._is_over.set()
            with contextlib.suppress(Exception):
                self._store.set(f"{self._index}", _GONE)
            self._thread.join(timeout=2 * BEAT_S)

    @contextlib.contextmanager
    def watching(self) -> Iterator[None]:
        """Around what fails when another process is gone: this one ends then, too.

        Raises: ResourceError: it failed although all others are alive.
        """
        try:
            yield
        except RuntimeError as error:
            # The thread ends this process as soon as it knows who is gone, and says so once.
            self._is_stuck.set()
            time.sleep(SILENT_S + 4 * BEAT_S)
            raise ResourceError(
                f"the processes cannot talk: {str(error).splitlines()[0][:160]}",
                safe="the last checkpoint is intact",
            ) from error

    def _run(self) -> None:
        seen = {other: ("", time.monotonic() + _START_S) for other in range(self._count)}
        beats = 0
        while not self._is_over.wait(BEAT_S):
            beats += 1
            try:
                self._store.set(f"{self._index}", str(beats))
                left, lost = self._look(seen)
            except Exception:  # the store is the main process's
                left, lost = [], [0]
            if self._is_over.is_set():
                return
            if left and self._is_stuck.is_set():
                os._exit(ResourceError.exit_code)  # whoever left in a hurry has said why
            if lost:
                self._end(lost[0])

    def _look(self, seen: dict[int, tuple[str, float]]) -> tuple[list[int], list[int]]:
        """Who has said goodbye, and who has not counted on for too long.

        `seen` has the last number of each, and the time until which it may stay that.
        """
        left, lost = [], []
        for other in range(self._count):
            if other == self._index:
                continue
            known = self._store.check([str(other)])
            sign = self._store.get(str(other)).decode() if known else ""
            if sign == _GONE:
                left.append(other)
            elif sign != seen[other][0]:
                seen[other] = (sign, time.monotonic() + SILENT_S)
            elif time.monotonic() > seen[other][1]:
                lost.append(other)
        return left, lost

    def _end(self, lost: int) -> None:
        """End this process; one of all says why."""
        if self._index == (1 if lost == 0 else 0):
            error = ResourceError(
                f"process {lost} of {self._count} is gone or stands still: all have ended",
                safe="the last checkpoint is intact",
                next_command="projgan resume RUN    (with as many processes, or others)",
            )
            # No exception reaches the main thread, which may wait for ever.
            sys.stderr.write("".join(f"{line}\n" for line in error.lines()))
            sys.stderr.flush()
        os._exit(ResourceError.exit_code)
