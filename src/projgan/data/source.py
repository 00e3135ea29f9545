"""What any source of pictures offers, folder or zip: names, sizes, and the bytes of each file.

Looking at a source opens no picture; whether a file is one is judged when it is decoded.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Protocol

from projgan.data.report import Unusable

SUFFIXES = frozenset({".jpg", ".jpeg", ".jfif", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff"})
LABELS_NAME = "dataset.json"
MAX_FILE_BYTES = 512 * 1024**2

_IGNORED_FOLDERS = frozenset({"__MACOSX"})


@dataclass(frozen=True)
class Entry:
    """One picture file of a source, not yet opened."""

    name: str
    """Path inside the source, parts joined by "/"; bytes that are not UTF-8 surrogate-escaped."""
    size: int
    """Bytes."""
    modified_ns: int
    """Time of the last change, where the source knows it."""


@dataclass
class Listing:
    """What a look at a source found."""

    entries: list[Entry] = field(default_factory=list)
    """In order of names."""
    unreadable: dict[str, str] = field(default_factory=dict)
    """Names that could not be looked at -> reason."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Kinds of picture-named files passed over -> how many."""
    other_types: Counter[str] = field(default_factory=Counter)
    """Extensions of everything that is not named like a picture -> how many."""
    has_labels: bool = False
    """Whether a dataset.json lies at the top."""


class Source(Protocol):
    """Pictures under names, wherever they lie."""

    path: Path
    listing: Listing

    def read(self, name: str) -> bytes:
        """The bytes of one file; may be called from several threads. Raises: Unusable."""
        ...

    def close(self) -> None:
        """Let go of open files."""
        ...


def note_file(listing: Listing, entry: Entry) -> None:
    """Put one plain file where it belongs in `listing`."""
    suffix = PurePosixPath(entry.name).suffix.lower()
    if entry.name == LABELS_NAME:
        listing.has_labels = True
    elif suffix in SUFFIXES:
        listing.entries.append(entry)
    else:
        listing.other_types[suffix or "no extension"] += 1


def is_ignored(name: str) -> bool:
    """Whether the last part of `name` is hidden or belongs to an operating system."""
    last = name.rsplit("/", 1)[-1]
    return last.startswith(".") or last in _IGNORED_FOLDERS


def require_size(size: int) -> None:
    """Raise `Unusable` for a file too large to be held in memory."""
    if size > MAX_FILE_BYTES:
        raise Unusable(f"is larger than {MAX_FILE_BYTES // 1024**2} MiB")
