"""What may be on a disk after the power failed: everything synced, and some of the rest.

A model of the promises that POSIX makes and no more. A file's content is safe once the file was
synced after it was written; a name (made, changed or removed) is safe once its folder was synced
after that. Whatever is not safe may be there, or not, or, for content, be cut short or be zeros;
in any combination, which is how disks reorder.
"""

from __future__ import annotations

import os
import random
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from faults.disk import Operation

ROOT = 0


@dataclass
class Event:
    """An operation by the numbers of the files and folders that it concerns."""

    kind: str
    """link, unlink, move, write, truncate, sync or said."""
    holder: int = -1
    """The folder whose names change; or what is written or synced."""
    name: str = ""
    inode: int = -1
    new_name: str = ""
    new_holder: int = -1
    offset: int = 0
    data: bytes = b""
    is_folder: bool = False

    def concerns(self) -> set[int]:
        """What has to be synced for this to be safe."""
        return {self.holder} | ({self.new_holder} if self.kind == "move" else set())


@dataclass
class _Names:
    """The names as they are while everything goes well."""

    root: str
    of: dict[str, int] = field(default_factory=dict)
    count: int = ROOT

    def find(self, path: str) -> int:
        return ROOT if path == self.root else self.of[path]

    def make(self, path: str) -> int:
        self.count += 1
        self.of[path] = self.count
        return self.count

    def move(self, old: str, new: str) -> int:
        inode = self.of[old]
        for path in [p for p in self.of if p == new or p.startswith(new + os.sep)]:
            del self.of[path]
        for path in [p for p in self.of if p == old or p.startswith(old + os.sep)]:
            self.of[new + path[len(old) :]] = self.of.pop(path)
        return inode


def events_of(operations: Sequence[Operation], root: str) -> list[Event]:
    """The operations on a folder that was empty at first."""
    names, events = _Names(root), []
    for op in operations:
        folder, name = os.path.split(op.path)
        if op.kind == "said":
            events.append(Event("said", name=op.path))
        elif op.kind in ("create", "mkdir"):
            inode, is_folder = names.make(op.path), op.kind == "mkdir"
            events.append(Event("link", names.find(folder), name, inode, is_folder=is_folder))
        elif op.kind in ("unlink", "rmdir"):
            events.append(Event("unlink", names.find(folder), name))
            del names.of[op.path]
        elif op.kind == "rename":
            new_folder, new_name = os.path.split(op.target)
            holder, new_holder = names.find(folder), names.find(new_folder)
            inode = names.move(op.path, op.target)
            events.append(Event("move", holder, name, inode, new_name, new_holder))
        elif op.kind in ("write", "truncate"):
            inode = names.find(op.path)
            events.append(Event(op.kind, inode, offset=op.offset, data=op.data))
        elif op.kind == "sync":
            events.append(Event("sync", names.find(op.path)))
    return events


def survivors(events: Sequence[Event], rng: random.Random) -> list[Event]:
    """What of the events is on the disk if the power fails after the last of them."""
    synced: set[int] = set()
    unsafe = []
    for index in range(len(events) - 1, -1, -1):
        event = events[index]
        if event.kind == "sync":
            synced.add(event.holder)
        elif event.kind != "said" and not event.concerns() <= synced:
            unsafe.append(index)
    unsafe.reverse()
    kept = _choose(events, unsafe, rng)
    found: list[Event] = []
    for index, event in enumerate(events):
        if event.kind in ("sync", "said"):
            continue
        if index not in unsafe:
            found.append(event)
        elif index in kept:
            found.append(_as_it_arrived(event, rng))
    return found


def _choose(events: Sequence[Event], unsafe: list[int], rng: random.Random) -> set[int]:
    """Which of the unsafe events arrived."""
    way = rng.choice(
        ("none", "all", "some", "some", "first", "names only", "contents only", "last")
    )
    is_name = {index: events[index].kind in ("link", "unlink", "move") for index in unsafe}
    cut = rng.randrange(len(unsafe) + 1)
    share = rng.random()
    return {
        "none": set(),
        "all": set(unsafe),
        "some": {index for index in unsafe if rng.random() < share},
        "first": set(unsafe[:cut]),
        "last": set(unsafe[cut:]),
        "names only": {index for index in unsafe if is_name[index]},
        "contents only": {index for index in unsafe if not is_name[index]},
    }[way]


def _as_it_arrived(event: Event, rng: random.Random) -> Event:
    """Content that was not synced may be cut short, or be zeros."""
    if event.kind != "write" or rng.random() < 0.5:
        return event
    data = event.data[: rng.randrange(len(event.data) + 1)]
    if rng.random() < 0.3:
        data = bytes(len(event.data))
    return Event("write", event.holder, offset=event.offset, data=data)


def lay_out(arrived: Sequence[Event], everything: Sequence[Event], target: Path) -> None:
    """Write into the empty folder `target` what the events that arrived leave on a disk."""
    folders: dict[int, dict[str, int]] = {ROOT: {}}
    contents: dict[int, bytearray] = {}
    is_folder = {event.inode for event in everything if event.is_folder} | {ROOT}
    for event in arrived:
        names = folders.setdefault(event.holder, {})
        if event.kind == "link":
            names[event.name] = event.inode
        elif event.kind == "unlink":
            names.pop(event.name, None)
        elif event.kind == "move":
            if names.get(event.name) == event.inode:
                del names[event.name]
            folders.setdefault(event.new_holder, {})[event.new_name] = event.inode
        elif event.kind == "truncate":
            contents[event.holder] = bytearray()
        elif event.kind == "write":
            content = contents.setdefault(event.holder, bytearray())
            content.extend(bytes(max(0, event.offset - len(content))))
            content[event.offset : event.offset + len(event.data)] = event.data

    def write(inode: int, path: Path) -> None:
        if inode not in is_folder:
            path.write_bytes(contents.get(inode, b""))
            return
        path.mkdir(exist_ok=True)
        for name, child in folders.get(inode, {}).items():
            write(child, path / name)

    write(ROOT, target)
