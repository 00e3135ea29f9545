"""A zip of pictures, read member by member and never unpacked.

A zip may come from a stranger, so its names, sizes and ratios are checked before a byte is
expanded. `data.archive` writes such zips.
"""

from __future__ import annotations

import re
import stat
import struct
import threading
import zipfile
import zlib
from pathlib import Path

from projgan.data.report import Unusable
from projgan.data.source import Entry, Listing, is_ignored, note_file, require_size
from projgan.errors import DataError, RefusedError, printable

MAX_MEMBERS = 1_000_000
MAX_RATIO = 1000
"""A picture that shrinks more than this is a bomb or a plain colour."""

_RATIO_MATTERS_BYTES = 1024**2
_BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    OSError,
    EOFError,
    ValueError,
    NotImplementedError,
    OverflowError,
    RuntimeError,
)
"""What the zipfile module is seen to raise on damaged, encrypted or unknown content."""


class ZipSource:
    """The pictures of a zip, under their member names."""

    def __init__(self, path: Path) -> None:
        self.path = path.resolve()
        try:
            self._zip = zipfile.ZipFile(self.path)
        except _BROKEN as error:
            raise DataError(
                f"this file is not an intact zip: {error}",
                where=str(path),
                next_command="name a folder of pictures, a zip, or a prepared set",
            ) from error
        self._members: dict[str, zipfile.ZipInfo] = {}
        self._lock = threading.Lock()
        try:
            self.listing = self._list()
        except BaseException:
            self.close()
            raise

    def read(self, name: str) -> bytes:
        """The bytes of one member.

        Raises: Unusable: if it is damaged, encrypted, too large, or a bomb.
        """
        member = self._members[name]
        require_size(member.file_size)
        is_large = member.file_size > _RATIO_MATTERS_BYTES
        if is_large and member.file_size > MAX_RATIO * max(member.compress_size, 1):
            raise Unusable(f"expands more than {MAX_RATIO} times")
        try:
            # One file position is shared by all threads.
            with self._lock:
                return self._zip.read(member)
        except _BROKEN as error:
            raise Unusable(f"cannot be unpacked: {error}") from error

    def close(self) -> None:
        """Close the zip."""
        self._zip.close()

    def _list(self) -> Listing:
        members = self._zip.infolist()
        if len(members) > MAX_MEMBERS:
            raise RefusedError(
                f"the zip has more than {MAX_MEMBERS:,} members", where=str(self.path)
            )
        listing = Listing()
        for member in members:
            name = member.filename
            self._refuse_escapes(member)
            if member.is_dir() or any(is_ignored(part) for part in name.split("/")):
                continue
            if name in self._members:
                listing.skipped["members whose name came before"] += 1
                continue
            self._members[name] = member
            note_file(listing, Entry(name, member.file_size, 0))
        listing.entries.sort(key=lambda entry: entry.name)
        return listing

    def _refuse_escapes(self, member: zipfile.ZipInfo) -> None:
        """Nothing is unpacked, yet such a zip was made to do harm, or by a broken tool."""
        name = member.orig_filename
        parts = re.split(r"[/\\]", name)
        kind = stat.S_IFMT(member.external_attr >> 16)
        if not parts[0] or ".." in parts or re.match(r"[A-Za-z]:", name) or "\0" in name:
            problem = "a name that leads outside"
        elif kind not in (0, stat.S_IFREG, stat.S_IFDIR):
            problem = "a member that is a link or a device"
        else:
            return
        raise RefusedError(
            f"the zip has {problem}: {printable(name)}",
            where=str(self.path),
            safe="nothing was unpacked",
            next_command="unpack it with a tool you trust and name the folder",
        )
