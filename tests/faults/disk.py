"""A disk that is watched: which operations reach a folder, and what happens at each of them.

Stands between Python and the kernel, in this process: `open`, `os.fsync`, `os.rename` and their
kind are wrapped while the `with` block lasts. Tensors, which a library writes by itself otherwise,
go the same way.
"""

from __future__ import annotations

import builtins
import contextlib
import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import safetensors.torch

from projgan import tensors


@dataclass(frozen=True)
class Operation:
    """One thing that was asked of the disk."""

    kind: str
    """create, truncate, write, sync, rename, mkdir, unlink, rmdir, open; or said, which is none."""
    path: str
    target: str = ""
    offset: int = 0
    data: bytes = b""


Hook = Callable[[int, Operation], None]


class Disk:
    """What was asked of the disk below one folder.

    Args:
        root: the folder; the rest of the disk is not watched.
        hook: called before each operation is carried out, with its number; it may raise or kill.
    """

    def __init__(self, root: Path, hook: Hook | None = None) -> None:
        self.root = os.path.realpath(root)
        self.operations: list[Operation] = []
        """Those that were carried out, in their order."""
        self.asked = 0
        self._hook = hook

    def say(self, text: str) -> None:
        """Note that something was announced at this point."""
        self.operations.append(Operation("said", text))

    def carry_out(self, operation: Operation, act: Callable[[], Any]) -> Any:
        """Do what is asked, unless the hook objects; noted once it worked."""
        self.asked += 1
        if self._hook is not None:
            self._hook(self.asked - 1, operation)
        result = act()
        self.operations.append(operation)
        return result

    def inside(self, path: Any, dir_fd: int | None = None) -> str:
        """The whole name of a path if it is watched, else nothing."""
        if isinstance(path, int):
            try:
                whole = os.readlink(f"/proc/self/fd/{path}")
            except OSError:
                return ""
        elif dir_fd is not None:
            whole = os.path.join(os.readlink(f"/proc/self/fd/{dir_fd}"), os.fspath(path))
        else:
            whole = os.path.abspath(os.fspath(path))
        folder = os.path.realpath(os.path.dirname(whole))
        whole = os.path.join(folder, os.path.basename(whole))
        return whole if whole.startswith(self.root + os.sep) or whole == self.root else ""


class _Watched(io.FileIO):
    """A file whose writes are noted."""

    disk: Disk

    def write(self, data: Any) -> int:
        content = bytes(data)
        whole = self.disk.inside(self.fileno())
        # Every file here is written from its start to its end, or appended to.
        write = Operation("write", whole, offset=os.fstat(self.fileno()).st_size, data=content)
        count: int = self.disk.carry_out(write, lambda: io.FileIO.write(self, content))
        return count


@contextlib.contextmanager
def watched(root: Path, hook: Hook | None = None) -> Iterator[Disk]:
    """Watch the disk below `root`."""
    disk = Disk(root, hook)
    with pytest.MonkeyPatch.context() as patch:
        _wrap_open(disk, patch)
        _wrap_names(disk, patch)
        real_sync = os.fsync

        def fsync(descriptor: int) -> None:
            if whole := disk.inside(descriptor):
                disk.carry_out(Operation("sync", whole), lambda: real_sync(descriptor))
            else:
                real_sync(descriptor)

        patch.setattr(os, "fsync", fsync)
        patch.setattr(tensors, "save_file", _save_file)
        yield disk


def _save_file(values: dict[str, Any], path: Path) -> None:
    Path(path).write_bytes(safetensors.torch.save(values))


def _wrap_open(disk: Disk, patch: pytest.MonkeyPatch) -> None:
    real_open, real_os_open = io.open, os.open

    def open_(file: Any, mode: str = "r", *args: Any, **named: Any) -> Any:
        whole = "" if isinstance(file, int) else disk.inside(file)
        if not whole:
            return real_open(file, mode, *args, **named)
        if not set(mode) & set("wax"):
            read = lambda: real_open(file, mode, *args, **named)  # noqa: E731
            return disk.carry_out(Operation("open", whole), read)
        is_there = os.path.exists(whole)
        kind = "create" if not is_there else "truncate" if "w" in mode else "open"
        plain = mode.replace("b", "").replace("t", "")
        raw: _Watched = disk.carry_out(Operation(kind, whole), lambda: _Watched(whole, plain))
        raw.disk = disk
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        if "b" in mode:
            return buffered
        return io.TextIOWrapper(buffered, encoding=named.get("encoding") or "utf-8")

    def os_open(path: Any, flags: int, *args: Any, **named: Any) -> int:
        # Opened for reading: that is how names and contents are synced.
        whole = disk.inside(path, named.get("dir_fd"))
        act = lambda: real_os_open(path, flags, *args, **named)  # noqa: E731
        if not whole or flags & os.O_CREAT:
            return act()
        descriptor: int = disk.carry_out(Operation("open", whole), act)
        return descriptor

    patch.setattr(io, "open", open_)
    patch.setattr(builtins, "open", open_)
    patch.setattr(os, "open", os_open)


def _wrap_names(disk: Disk, patch: pytest.MonkeyPatch) -> None:
    def wrap(kind: str, name: str) -> None:
        real = getattr(os, name)

        def one(path: Any, *args: Any, dir_fd: int | None = None, **named: Any) -> Any:
            act = lambda: real(path, *args, dir_fd=dir_fd, **named)  # noqa: E731
            whole = disk.inside(path, dir_fd)
            return disk.carry_out(Operation(kind, whole), act) if whole else act()

        def two(source: Any, target: Any, **named: Any) -> Any:
            act = lambda: real(source, target, **named)  # noqa: E731
            whole = disk.inside(source)
            if not whole:
                return act()
            return disk.carry_out(Operation(kind, whole, target=disk.inside(target)), act)

        patch.setattr(os, name, two if kind == "rename" else one)

    for kind, names in {
        "rename": ("rename", "replace"),
        "mkdir": ("mkdir",),
        "unlink": ("unlink", "remove"),
        "rmdir": ("rmdir",),
    }.items():
        for name in names:
            wrap(kind, name)
