"""The names inside a run folder, and the lock that keeps two processes out of one.

Counts in names are images seen, nine digits, so that a plain listing is in order.
"""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from projgan.errors import BusyError, ResourceError, UsageError
from projgan.storage import fsync, make_folder

_LOOKS = 10
"""At a lock whose holder has not written its name yet, twenty a second."""


class RunDir:
    """Paths of one run; nothing is created until `create` is called."""

    def __init__(self, root: Path | str) -> None:
        self.root = Path(root)
        self.config = self.root / "config.json"
        self.history = self.root / "history.jsonl"
        self.chart = self.root / "history.png"
        self.report = self.root / "report.html"
        self.nearest = self.root / "nearest.png"
        self.trackers = self.root / "trackers.json"
        self.samples = self.root / "samples"
        self.checkpoints = self.root / "checkpoints"
        self.snapshots = self.root / "snapshots"
        self.best = self.snapshots / "best"
        self.best_checkpoint = self.checkpoints / "best"
        self.lock = self.root / ".lock"

    def sample_grid(self, images_seen: int) -> Path:
        """The grid of the fixed latents after `images_seen` images."""
        return self.samples / f"{images_seen:09d}.png"

    def snapshot(self, images_seen: int) -> Path:
        """The averaged generator after `images_seen` images."""
        return self.snapshots / f"{images_seen:09d}"

    def create(self, *, overwrite: bool = False) -> None:
        """Make the folders of a new run.

        An existing run is never touched: without `overwrite` it is refused, with it the old folder
        is moved aside to the first free `NAME.old-1`, `NAME.old-2` ... A folder of which a crash
        left nothing but empty folders is as good as new.
        """
        if self.root.exists() and not self._is_unbegun():
            if not overwrite:
                self.refuse_existing()
            self.root.rename(first_free(self.root))
        try:
            for folder in (self.samples, self.checkpoints, self.snapshots):
                make_folder(folder)
        except OSError as error:
            raise ResourceError(
                f"cannot make the run folder: {error.strerror}", where=str(self.root)
            ) from error

    def refuse_existing(self) -> None:
        """Raise: there is something in this folder."""
        raise UsageError(
            "the run folder exists already",
            where=str(self.root),
            safe="nothing was changed",
            next_command=f"projgan resume {self.root}    "
            "(or choose --out, or --overwrite to move it aside)"
            if self.config.is_file()
            else "choose another --out, or --overwrite to move it aside",
        )

    def _is_unbegun(self) -> bool:
        own = (self.samples, self.checkpoints, self.snapshots)
        for path in self.root.iterdir():
            is_ours = path == self.lock or path.name.endswith(".tmp")
            if not is_ours and (path not in own or any(path.iterdir())):
                return False
        return True

    def require(self) -> None:
        """Raise unless this is the folder of a run."""
        if not self.config.is_file():
            raise UsageError(
                "this is no run folder: it has no config.json",
                where=str(self.root),
                next_command="projgan train FOLDER_OF_PICTURES",
            )

    def holder(self) -> str | None:
        """Who holds the run now, such as "process 4242"; None if nobody does.

        Only looks: the lock file is neither made nor written.
        """
        try:
            import fcntl  # noqa: PLC0415 - POSIX only

            with self.lock.open() as handle:
                try:
                    fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
                except BlockingIOError:
                    return _name_in(handle)
        except (ImportError, OSError):  # no locks here, or a run that nobody ever held
            pass
        return None

    def secure_history(self) -> None:
        """See its lines onto the disk, before a checkpoint that goes with them."""
        if self.history.is_file():
            fsync(self.history)
            fsync(self.root)

    def refuse_if_held(self) -> None:
        """Raise `BusyError` if another process holds the run; only looks."""
        if (holder := self.holder()) is not None:
            raise self._busy(holder)

    def _busy(self, holder: str) -> BusyError:
        return BusyError(
            f"{holder} is training in this run folder",
            where=str(self.root),
            safe="nothing was changed",
            next_command="wait for it or stop it, or choose another --out",
        )

    @contextlib.contextmanager
    def locked(self, *, new: bool = False) -> Iterator[None]:
        """Hold the run for this process; the kernel frees it with the process.

        new: it must not have begun; another process may have been here since `create`.
        """
        try:
            import fcntl  # noqa: PLC0415 - POSIX only
        except ImportError:  # Windows has no flock; one process a run is then up to the user
            yield
            return
        with self.lock.open("a+") as handle:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise self._busy(_name_in(handle)) from None
            if new and self.config.exists():
                self.refuse_existing()
            with contextlib.suppress(OSError):  # a full disk: the lock holds without a name
                os.ftruncate(handle.fileno(), 0)
                os.write(handle.fileno(), f"process {os.getpid()}".encode())
            yield


def _name_in(handle: TextIO) -> str:
    """What the holder of a lock wrote into it; a moment after taking it, it may not have yet."""
    for _ in range(_LOOKS):
        handle.seek(0)
        if name := handle.read().strip():
            return name
        time.sleep(0.05)
    return "another process"


def first_free(path: Path) -> Path:
    """The first name of the form `NAME.old-1`, `NAME.old-2` ... that is not taken."""
    number = 1
    while (candidate := path.with_name(f"{path.name}.old-{number}")).exists():
        number += 1
    return candidate
