"""How a folder of pixels appears: built under a hidden name beside its place, then renamed, whole.

`projgan.storage` does the same for checkpoints, which are small: it hashes every file again and
starts over when the disk was full for a moment. That would cost minutes for thousands of pictures.
"""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from projgan.errors import ResourceError
from projgan.storage import fsync

_PREFIX = ".preparing-"
_LOCK_NAME = "lock"


@contextlib.contextmanager
def new_folder(parent: Path, name: str) -> Iterator[Path]:
    """An empty hidden folder in `parent`, to become `name`; gone at the end unless published.

    Also removes what killed processes left in `parent`.
    Raises: ResourceError: if the disk is full or refuses to write, here or inside the `with` block.
    """
    folder: Path | None = None
    try:
        parent.mkdir(parents=True, exist_ok=True)
        _sweep(parent)
        folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{name[:64]}-", dir=parent))
        folder.chmod(0o755)  # mkdtemp's 0700 would stay with the set for ever
        with (folder / _LOCK_NAME).open("w") as lock:
            _try_lock(lock)
            yield folder
    except OSError as error:
        raise ResourceError(
            f"cannot write the pixels: {error.strerror or error}",
            where=str(parent),
            safe="the pictures are untouched, and nothing half-written was kept",
            next_command="make room or fix the disk, then run the same command again",
        ) from error
    finally:
        if folder is not None:
            shutil.rmtree(folder, ignore_errors=True)


def publish(folder: Path, target: Path) -> None:
    """Give a folder from `new_folder` its name, once all its files are safely on the disk."""
    (folder / _LOCK_NAME).unlink()
    for path in sorted(folder.iterdir()):
        fsync(path)
    fsync(folder)
    folder.rename(target)
    fsync(target.parent)


def _sweep(parent: Path) -> None:
    """Remove folders whose makers are dead: the kernel has freed their locks."""
    for folder in parent.glob(f"{_PREFIX}*"):
        try:
            with (folder / _LOCK_NAME).open("r+") as lock:
                is_abandoned = _try_lock(lock)
        except OSError:
            continue
        if is_abandoned:
            shutil.rmtree(folder, ignore_errors=True)


def _try_lock(lock: IO[str]) -> bool:
    """Lock an open file until it is closed; False if another process has it or locks fail."""
    try:
        import fcntl  # noqa: PLC0415 - POSIX only
    except ImportError:
        return False
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
