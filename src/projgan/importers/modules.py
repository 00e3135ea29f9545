"""Out of records of modules: tensors by name, and the few numbers that say what they are for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from projgan.errors import CheckpointError
from projgan.importers.records import ForeignTensor, Record

MAX_MODULES = 5_000
MAX_DEPTH = 32
_MAX_NAME = 100


@dataclass(frozen=True)
class Foreign:
    """A network of the file.

    Attributes:
        numbers: whole numbers among its own attributes, such as z_dim.
        tensors: parameters and buffers by their whole names.
    """

    numbers: dict[str, int]
    tensors: dict[str, ForeignTensor]


@dataclass(frozen=True)
class Checkpoint:
    """What an official checkpoint says of its averaged generator."""

    generator: Foreign
    images_seen: int


def find_generator(content: Any) -> Checkpoint:
    """The averaged generator of a checkpoint that was read.

    Raises: CheckpointError: there is none.
    """
    record = content.get("G_ema") if type(content) is dict else None
    if type(record) is not Record:
        raise CheckpointError(
            "it is a pickle, but no official checkpoint: it holds no averaged generator (G_ema)"
        )
    state = _part(record.state, "G_ema")
    numbers = {name: value for name, value in state.items() if type(value) is int}
    return Checkpoint(Foreign(numbers, _tensors(record)), _images_seen(content.get("progress")))


def _images_seen(progress: Any) -> int:
    """How long it was trained; 0 where the file does not say."""
    count = progress.get("cur_nimg") if type(progress) is dict else None
    if type(count) is ForeignTensor and count.shape in ((), (1,)):
        count = int(count.copy())
    return count if type(count) is int and 0 <= count < 10**12 else 0


def _tensors(root: Record) -> dict[str, ForeignTensor]:
    found: dict[str, ForeignTensor] = {}
    waiting: list[tuple[str, Record]] = [("", root)]
    seen = 0
    while waiting:
        path, record = waiting.pop()
        seen += 1
        if seen > MAX_MODULES or path.count(".") > MAX_DEPTH:
            raise CheckpointError(
                "its generator has too many modules, or they are nested too deeply"
            )
        state = _part(record.state, path)
        for kind in ("_parameters", "_buffers"):
            for name, value in _part(state.get(kind), path).items():
                if type(value) is ForeignTensor:
                    found[path + _checked(name)] = value
                elif value is not None:
                    raise CheckpointError(f"{printed(path)} holds a tensor that is none")
        for name, child in _part(state.get("_modules"), path).items():
            if type(child) is Record:
                waiting.append((f"{path}{_checked(name)}.", child))
            elif child is not None:
                raise CheckpointError(f"{printed(path)} holds a module that is none")
    return found


def _part(value: Any, path: str) -> dict[Any, Any]:
    if type(value) is not dict:
        raise CheckpointError(f"{printed(path)} is no module of PyTorch's")
    return value


def _checked(name: Any) -> str:
    if type(name) is not str or not name.replace("_", "").isalnum() or len(name) > _MAX_NAME:
        raise CheckpointError("a part of its generator has no proper name")
    return name


def printed(path: str) -> str:
    """A path in a message."""
    return path.rstrip(".")[:_MAX_NAME] or "the generator"
