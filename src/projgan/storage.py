"""Folders of files that are written whole or not at all, and verified before use.

The order of a write is what makes it safe: hidden temporary folder -> fsync of every file ->
manifest with size and SHA-256 of each, fsync -> fsync of the folder -> rename to its name -> fsync
of the parent. A crash at any point leaves either no folder of that name or a complete one. Nothing
here knows what the files mean, and nothing here needs torch.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

from projgan.errors import CheckpointError, ResourceError

MANIFEST = "manifest.json"
_TEMPORARY_PREFIX = ".writing-"
_TEMPORARY_SUFFIX = ".tmp"
_UNREADABLE = (
    OSError,
    ValueError,
    KeyError,
    TypeError,
    AttributeError,
    OverflowError,
    RecursionError,
)
"""What a damaged manifest leads to."""
_DISK_FULL = (errno.ENOSPC, errno.EDQUOT)
_RETRY_AFTER_S = 2.0


def write_folder(
    target: Path, write_files: Callable[[Path], None], *, bytes_needed: int = 0
) -> None:
    """Write `target` as a whole.

    Args:
        target: the folder to be; must not exist.
        write_files: called with the temporary folder; writes plain files into it.
        bytes_needed: an estimate; refused before anything is written if the disk has less.
    Raises: ResourceError: if the disk is full or refuses to write; the temporary folder is gone
        then. A full disk is tried once more after a short wait.
    """
    assert not target.exists(), f"{target} exists"
    for attempt in (1, 2):
        temporary = _hidden(target, target.name)
        try:
            _require_space(target.parent, bytes_needed)
            temporary.mkdir(parents=True)
            write_files(temporary)
            _seal(temporary)
            temporary.rename(target)
            fsync(target.parent)
            return
        except OSError as error:
            shutil.rmtree(temporary, ignore_errors=True)
            if error.errno in _DISK_FULL and attempt == 1:
                time.sleep(_RETRY_AFTER_S)
                continue
            raise _resource_error(error, target, bytes_needed) from error
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise


def replace_folder(
    target: Path, write_files: Callable[[Path], None], *, bytes_needed: int = 0
) -> None:
    """Write `target` anew; what is there stays until its successor is complete.

    A crash leaves the old folder, the new one, or the new one as `NAME.next`: `finish_replacement`
    then gives it its name. Arguments and errors are as for `write_folder`.
    """
    finish_replacement(target)
    write_folder(successor_of(target), write_files, bytes_needed=bytes_needed)
    finish_replacement(target)


def finish_replacement(target: Path) -> bool:
    """Put a complete successor in the place of `target`; says whether there was one."""
    successor = successor_of(target)
    if not successor.is_dir():
        return False
    if target.exists():
        remove_folder(target)
    successor.rename(target)
    fsync(target.parent)
    return True


def successor_of(target: Path) -> Path:
    """Where a complete new `target` lies until the old one has gone."""
    return target.with_name(f"{target.name}.next")


def manifest_of(folder: Path) -> dict[str, tuple[int, str]]:
    """Size and SHA-256 of every file of `folder` by its name, as they were written.

    Raises: CheckpointError: the manifest cannot be read.
    """
    path = folder / MANIFEST
    try:
        content = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        return {str(name): (int(size), str(sha)) for name, (size, sha) in content["files"].items()}
    except _UNREADABLE as error:
        raise CheckpointError("its manifest is missing or damaged", where=str(folder)) from error


def verify_folder(folder: Path, *, contents: bool = True) -> None:
    """Raise `CheckpointError` unless every file of `folder` is there, whole and unchanged.

    contents: without it only names and sizes are looked at, which is quick.
    """
    entries = manifest_of(folder)
    try:
        present = {path.name for path in folder.iterdir()} - {MANIFEST}
        if present != set(entries):
            raise CheckpointError("files are missing or foreign", where=str(folder))
        for name, (size, sha) in entries.items():
            path = folder / name
            # Opening a pipe would wait for ever.
            is_whole_file = path.is_file() and path.stat().st_size == size
            if not is_whole_file or (contents and sha256_of(path) != sha):
                raise CheckpointError(f"{name} is damaged", where=str(folder))
    except OSError as error:
        raise CheckpointError(
            f"it cannot be read: {error.strerror or error}", where=str(folder)
        ) from error


def is_whole(folder: Path) -> bool:
    """Whether `folder` is there and verifies."""
    try:
        verify_folder(folder)
    except CheckpointError:
        return False
    return True


def digest_of(folder: Path) -> str:
    """One digest for a verified folder: that of its manifest, which holds those of its files."""
    return sha256_of(folder / MANIFEST)


def folder_bytes(folder: Path) -> int:
    """Bytes of all files below `folder`; what cannot be read, and what links lead to, counts 0."""
    total = 0
    for parent, _, names in os.walk(folder):
        for name in names:
            with contextlib.suppress(OSError):  # gone meanwhile
                total += os.lstat(os.path.join(parent, name)).st_size
    return total


def sweep(parent: Path) -> list[str]:
    """Remove what interrupted writes left in `parent`; returns the names removed."""
    found = leftovers(parent)
    for path in found:
        shutil.rmtree(path, ignore_errors=True)
    files = sorted(parent.glob(f".*{_TEMPORARY_SUFFIX}"))
    for path in files:
        with contextlib.suppress(OSError):
            path.unlink()
    return [path.name for path in (*found, *files)]


def leftovers(parent: Path) -> list[Path]:
    """Folders that interrupted writes and removals left in `parent`."""
    return sorted(parent.glob(f"{_TEMPORARY_PREFIX}*")) if parent.is_dir() else []


def remove_folder(folder: Path) -> None:
    """Remove `folder` so that a crash or power loss never leaves half of it under its own name."""
    doomed = _hidden(folder, f"removed-{folder.name}")
    folder.rename(doomed)
    fsync(folder.parent)
    shutil.rmtree(doomed, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Write a small text file whole or not at all."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}{_TEMPORARY_SUFFIX}")
    try:
        with temporary.open("w", encoding="utf-8") as handle:
            handle.write(text)
            handle.flush()
            os.fsync(handle.fileno())
        temporary.replace(path)
        fsync(path.parent)
    except OSError as error:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise _resource_error(error, path, len(text)) from error


def make_folder(path: Path) -> None:
    """Make a folder and those above it, and see their names onto the disk."""
    new = [folder for folder in (path, *path.parents) if not folder.exists()]
    path.mkdir(parents=True, exist_ok=True)
    for folder in new:
        fsync(folder.parent)


def sha256_of(path: Path) -> str:
    """Hex digest of a file's content."""
    with path.open("rb") as handle:
        digest = hashlib.sha256()
        while block := handle.read(1 << 20):
            digest.update(block)
    return digest.hexdigest()


def _seal(folder: Path) -> None:
    """Sync every file of `folder`, then write and sync its manifest."""
    files = sorted(path for path in folder.iterdir())
    for path in files:
        fsync(path)
    entries = {path.name: [path.stat().st_size, sha256_of(path)] for path in files}
    manifest = folder / MANIFEST
    manifest.write_text(json.dumps({"files": entries}, indent=1), encoding="utf-8")
    fsync(manifest)
    fsync(folder)


def _hidden(beside: Path, name: str) -> Path:
    """A hidden name that is free: the disk may have refused to remove what had it before."""
    stem, number = f"{_TEMPORARY_PREFIX}{name}-{os.getpid()}", 1
    while (path := beside.with_name(stem)).exists():
        number += 1
        stem = f"{_TEMPORARY_PREFIX}{name}-{os.getpid()}-{number}"
    return path


def fsync(path: Path) -> None:
    """See a file's content, or a folder's list of names, onto the disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:  # which does not know the name
        raise OSError(error.errno, error.strerror, str(path)) from error
    finally:
        os.close(descriptor)


def _require_space(parent: Path, bytes_needed: int) -> None:
    free = shutil.disk_usage(parent).free
    if free < bytes_needed:
        raise OSError(errno.ENOSPC, f"only {free / 1e6:.0f} MB are free")


def _resource_error(error: OSError, target: Path, bytes_needed: int) -> ResourceError:
    needed = (
        f" ({bytes_needed / 1e6:.0f} MB needed)"
        if error.errno in _DISK_FULL and bytes_needed
        else ""
    )
    reason = "the disk is full" if error.errno in _DISK_FULL else (error.strerror or str(error))
    return ResourceError(
        f"cannot write {target.name}: {reason}{needed}",
        where=str(target.parent),
        safe="everything saved before is intact",
        next_command="make room or fix the disk, then run: projgan resume "
        + str(target.parent.parent if target.parent.name == "checkpoints" else target.parent),
    )
