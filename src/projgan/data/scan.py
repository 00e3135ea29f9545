"""What lies in a folder of pictures: every picture file, and nothing that lies outside.

`data.zipped` offers the same for a zip, and `open_source` chooses. Nothing is written to a source.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from projgan.data.report import Unusable
from projgan.data.source import (
    MAX_FILE_BYTES,
    SUFFIXES,
    Entry,
    Listing,
    Source,
    is_ignored,
    note_file,
    require_size,
)
from projgan.data.zipped import ZipSource
from projgan.errors import DataError, UsageError, printable

_TYPES_SHOWN = 4


class FolderSource:
    """A folder and everything below it.

    Hidden files and folders are left alone. Links are followed only when they lead back into the
    folder, and no folder is entered twice, so that loops end.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        self.listing = _Walk(self.path).listing

    def read(self, name: str) -> bytes:
        """The bytes of one file.

        Raises: Unusable: if it cannot be read, is too large, or is no plain file.
        """
        # Without O_NONBLOCK, a pipe put in the place of a picture would block for ever.
        flags = os.O_RDONLY | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0)
        try:
            descriptor = os.open(self.path / name, flags)
            with open(descriptor, "rb") as handle:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise Unusable("is not a plain file")
                data = handle.read(MAX_FILE_BYTES + 1)
        except OSError as error:
            raise Unusable(f"cannot be read: {error.strerror}") from error
        require_size(len(data))
        return data

    def close(self) -> None:
        """Nothing stays open."""


class _Walk:
    """One pass over a folder tree."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.listing = Listing()
        self._visited: set[tuple[int, int]] = set()
        self._linked_folders: list[tuple[str, str]] = []
        self._enter(str(root), "")
        # Last, so that a folder is known by its own name and not by that of a link to it.
        while self._linked_folders:
            path, name = self._linked_folders.pop()
            self._enter(path, name)
        self.listing.entries.sort(key=lambda entry: entry.name)

    def _enter(self, top: str, top_name: str) -> None:
        pending = [(top, top_name)]
        while pending:
            path, name = pending.pop()
            try:
                status = os.stat(path)
                if (status.st_dev, status.st_ino) in self._visited:
                    continue
                self._visited.add((status.st_dev, status.st_ino))
                with os.scandir(path) as items:
                    found = sorted(items, key=lambda item: item.name)
            except OSError as error:
                self.listing.unreadable[name or "."] = f"folder cannot be read: {error.strerror}"
                continue
            for item in found:
                inner = f"{name}/{item.name}" if name else item.name
                if not is_ignored(inner):
                    pending.extend(self._look_at(item, inner))

    def _look_at(self, item: os.DirEntry[str], name: str) -> Iterator[tuple[str, str]]:
        """Note a file; yield a folder to be entered."""
        try:
            if item.is_symlink() and not self._is_inside(item.path):
                self.listing.skipped["links that lead outside or nowhere"] += 1
                return
            status = item.stat()
        except OSError as error:
            self.listing.unreadable[name] = f"cannot be read: {error.strerror}"
            return
        if stat.S_ISDIR(status.st_mode):
            if item.is_symlink():
                self._linked_folders.append((item.path, name))
            else:
                yield item.path, name
        elif not stat.S_ISREG(status.st_mode):
            self.listing.skipped["pipes, sockets or devices"] += 1
        else:
            note_file(self.listing, Entry(name, status.st_size, status.st_mtime_ns))

    def _is_inside(self, path: str) -> bool:
        try:
            target = os.path.realpath(path, strict=True)
        except OSError:  # broken, or a link in a circle
            return False
        return Path(target).is_relative_to(self.root)


def open_source(name: str) -> Source:
    """The folder or zip called `name`, listed.

    Raises: UsageError: if the name is empty. DataError: if there is nothing, no picture, or no
        intact zip. RefusedError: for a zip that tries to reach outside itself.
    """
    if not name:  # Path("") would be the current folder
        raise UsageError(
            "no pictures were named", next_command="name a folder or a zip of pictures"
        )
    path = Path(name)
    if path.is_dir():
        source: Source = FolderSource(path)
    elif path.is_file():
        source = ZipSource(path)
    else:
        raise DataError("there is no such folder or zip", where=str(path))
    if not source.listing.entries:
        source.close()
        raise _nothing_found(source)
    return source


def _nothing_found(source: Source) -> DataError:
    listing = source.listing
    lines = [f"no picture found; looked for {', '.join(sorted(SUFFIXES))} in all folders below"]
    if listing.other_types:
        types = sorted(listing.other_types.items(), key=lambda item: (-item[1], item[0]))[
            :_TYPES_SHOWN
        ]
        lines.append(
            "found instead: " + ", ".join(f"{count} {printable(kind)}" for kind, count in types)
        )
    else:
        lines.append("found instead: nothing")
    if listing.skipped:
        kinds = [f"{count} {kind}" for kind, count in listing.skipped.items()]
        lines.append("passed over: " + ", ".join(kinds))
    for name, reason in list(listing.unreadable.items())[:1]:
        lines.append(f"{printable(name)} {reason}")
    return DataError("\n".join(lines), where=str(source.path))
