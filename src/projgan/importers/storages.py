"""The bytes of a tensor's storage inside a checkpoint: a small pickle or zip of PyTorch's own.

They go through the same closed reader, with a shorter list: kinds of storages, and nothing else.
"""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from typing import Any, NoReturn

from projgan.errors import CheckpointError
from projgan.importers.known import NESTED, STORAGES, Pair
from projgan.importers.limits import Budget
from projgan.importers.machine import Machine, refuse
from projgan.importers.records import Reference, Storage

_MAGIC, _VERSION = 0x1950A86A20F9469CFC6C, 1001
_MAX_MEMBERS = 16
_MAX_HEAD = 64 << 10
_OPERATIONS_A_ZIP = 100
_ZIP_START = b"PK\x03\x04"
Find = Callable[[str, Any, int], Any]


def read_storage(data: memoryview, budget: Budget) -> Storage:
    """The storage that `torch.save` wrote as these bytes, in its older or its newer form.

    Raises: CheckpointError: they are something else. RefusedError: they name something else.
    """
    budget.count_bytes(len(data))
    if bytes(data[:4]) == _ZIP_START:
        return _read_zip(data, budget)
    return _read_plain(data, budget)


def _read_plain(data: memoryview, budget: Budget) -> Storage:
    """Five pickles (a number, a version, the machine, the storage, its key), and its numbers."""
    wanted: list[tuple[str, Any, int]] = []
    machine = _machine(data, budget, wanted)
    if machine.read() != _MAGIC or machine.read() != _VERSION:
        _damaged("they do not begin as PyTorch's do")
    facts = machine.read()
    if type(facts) is not dict or facts.get("little_endian") is not True:
        _damaged("their bytes are in another order")
    key = machine.read()
    keys = machine.read()
    if len(wanted) != 1 or key != wanted[0][0] or keys != [key]:
        _damaged("they hold more or less than one storage")
    _, dtype, length = wanted[0]
    numbers = data[machine.at :]
    if len(numbers) < 8 or int.from_bytes(numbers[:8], "little") != length:
        _damaged("their length is another")
    return _cut(numbers[8:], dtype, length)


def _read_zip(data: memoryview, budget: Budget) -> Storage:
    budget.count_operations(_OPERATIONS_A_ZIP)
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = archive.infolist()
            heads = [member for member in members if member.filename.endswith("/data.pkl")]
            if len(members) > _MAX_MEMBERS or len(heads) != 1 or heads[0].file_size > _MAX_HEAD:
                _damaged("their members are not PyTorch's")
            if any(member.compress_type != zipfile.ZIP_STORED for member in members):
                _damaged("they are packed")
            if any(member.file_size > len(data) for member in members):
                _damaged("their members are larger than they are")
            wanted: list[tuple[str, Any, int]] = []
            _machine(memoryview(archive.read(heads[0])), budget, wanted).read()
            if len(wanted) != 1:
                _damaged("they hold more or less than one storage")
            key, dtype, length = wanted[0]
            folder = heads[0].filename.removesuffix("data.pkl")
            numbers = memoryview(archive.read(f"{folder}data/{key}"))
    except (zipfile.BadZipFile, KeyError, NotImplementedError, RuntimeError, OSError) as error:
        raise CheckpointError("the zip of a tensor's bytes is damaged") from error
    return _cut(numbers, dtype, length)


def _cut(numbers: memoryview, dtype: Any, length: int) -> Storage:
    if len(numbers) != length * dtype.itemsize:
        _damaged("their length is another")
    return Storage(dtype, numbers)


def _machine(data: memoryview, budget: Budget, wanted: list[tuple[str, Any, int]]) -> Machine:
    """A reader whose persistent ids are noted in `wanted`; they become their key."""

    def find(identity: Any) -> str:
        if type(identity) is not tuple or not 5 <= len(identity) <= 6:
            _damaged("a storage without its facts")
        word, kind, key, _, length = identity[:5]
        if word != "storage" or type(kind) is not Reference or type(key) is not str:
            _damaged("a storage without its facts")
        if (
            type(length) is not int
            or length < 0
            or (len(identity) == 6 and identity[5] is not None)
        ):
            _damaged("a storage without its facts")
        wanted.append((key, STORAGES[kind.module, kind.name], length))
        return key

    return Machine(data, names=NESTED, budget=budget, call=_never, find=find)


def _never(pair: Pair, arguments: tuple[Any, ...]) -> NoReturn:
    refuse(f"a call of {'.'.join(pair)}")


def _damaged(what: str) -> NoReturn:
    raise CheckpointError(f"the bytes of a tensor are damaged: {what}")
