"""An official checkpoint file as inert records.

Source of the layout: the files of Projected GAN's reference implementation, which are pickles of
whole modules.
"""

from __future__ import annotations

import contextlib
import gc
import mmap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from projgan.errors import CheckpointError, ProjganError, RefusedError, UsageError
from projgan.importers import known
from projgan.importers.known import Pair
from projgan.importers.limits import Budget
from projgan.importers.machine import Machine
from projgan.importers.records import ForeignTensor, Record, Reference, Storage
from projgan.importers.storages import read_storage

MAX_BYTES = 16 << 30
_PROTO = 0x80
EMBEDDED = "(source in the file)"
"""Stands for the module of a class that a file brings along as text."""


def read_file(path: Path) -> Any:
    """Everything in the file, inert. It stays open for as long as its tensors are of use.

    Raises: UsageError: there is no such file. CheckpointError: it is damaged, or no pickle.
        RefusedError: it asks for something outside the closed lists.
    """
    if not path.is_file():
        raise UsageError("there is no such file", where=str(path))
    with path.open("rb") as file:
        size = path.stat().st_size
        if not 0 < size <= MAX_BYTES:
            raise CheckpointError("it is empty or larger than 16 GB", where=str(path))
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        return read_bytes(memoryview(data))
    except (CheckpointError, RefusedError) as error:
        raise _at(error, path) from error


def read_bytes(data: memoryview) -> Any:
    """The same for bytes."""
    if not data or data[0] != _PROTO:
        raise CheckpointError("it does not begin as a checkpoint does: it is another kind of file")
    budget = Budget(len(data))

    def call(pair: Pair, arguments: tuple[Any, ...]) -> Any:
        return _stand_for(pair, arguments, budget)

    machine = Machine(data, names=known.OFFICIAL, budget=budget, call=call)
    with _without_collection():
        content = machine.read()
    if machine.at != len(data):
        raise CheckpointError("it is damaged: something follows its end")
    return content


@contextlib.contextmanager
def _without_collection() -> Iterator[None]:
    """Records are many and none is garbage yet: looking for some would take most of the time."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_enabled:
            gc.enable()


def _at(error: ProjganError, path: Path) -> ProjganError:
    return type(error)(
        error.what, where=str(path), safe=error.safe or "nothing was written", next_command=""
    )


def _stand_for(pair: Pair, arguments: tuple[Any, ...], budget: Budget) -> Any:
    """What a call of `pair`, or a new object of it, is taken for. Nothing is called."""
    if pair in known.RECORDS:
        return Record(Reference(*pair), arguments)
    if pair in known.MAPPINGS and arguments == ():
        return {}
    if pair == known.SET:
        return _set(arguments)
    kinds = [type(argument) for argument in arguments]
    if pair == known.STORAGE_BYTES and kinds == [memoryview]:
        return read_storage(arguments[0], budget)
    if pair == known.REBUILD_TENSOR and kinds[:4] == [Storage, int, tuple, tuple]:
        return ForeignTensor(*arguments[:4])
    if pair == known.REBUILD_PARAMETER and len(arguments) == 3 and kinds[0] is ForeignTensor:
        return arguments[0]
    if pair == known.PERSISTENT and kinds == [dict]:
        return _embedded(arguments[0])
    raise CheckpointError(f"it is damaged: {'.'.join(pair)} with arguments that it never has")


def _set(arguments: tuple[Any, ...]) -> set[Any]:
    items = arguments[0] if len(arguments) == 1 else None
    if type(items) is not list or not all(type(item) in (str, bool) for item in items):
        raise CheckpointError("it is damaged: a set of something else than texts")
    return set(items)


def _embedded(about: dict[Any, Any]) -> Record:
    """An object whose class comes with its source, which is not looked at."""
    name, state = about.get("class_name"), about.get("state")
    if about.get("type") != "class" or type(name) is not str:
        raise CheckpointError("it is damaged: an embedded class without a name")
    return Record(Reference(EMBEDDED, name[:200]), state=state)
