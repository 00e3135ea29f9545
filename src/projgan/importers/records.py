"""What a foreign file is read into: inert records. None of them is, or calls, what it names."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from projgan.errors import CheckpointError

MAX_RANK = 8


@dataclass(frozen=True)
class Reference:
    """A name in the file, such as collections.OrderedDict. It stays a name."""

    module: str
    name: str

    def __str__(self) -> str:
        return f"{self.module}.{self.name}"


@dataclass(eq=False)
class Record:
    """What the file says of one object: its class by name, its arguments, its state."""

    reference: Reference
    arguments: tuple[Any, ...] = ()
    state: Any = field(default=None)


@dataclass(frozen=True)
class Storage:
    """The numbers behind a tensor, still bytes of the file.

    Attributes:
        data: exactly the numbers.
    """

    dtype: torch.dtype
    data: memoryview

    @property
    def length(self) -> int:
        """How many numbers it has."""
        return len(self.data) // self.dtype.itemsize


@dataclass(frozen=True)
class ForeignTensor:
    """A tensor of the file: which numbers of a storage it is made of. Nothing is copied yet."""

    storage: Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]

    def __post_init__(self) -> None:
        numbers = (self.offset, *self.shape, *self.strides)
        is_sound = (
            all(type(number) is int and number >= 0 for number in numbers)
            and len(self.shape) == len(self.strides) <= MAX_RANK
            # No number twice: a shape is never larger than what the file holds.
            and math.prod(self.shape) <= self.storage.length
            and self.offset + self._span() <= self.storage.length
        )
        if not is_sound:
            raise CheckpointError("a tensor does not fit the numbers that it is made of")

    def _span(self) -> int:
        """From its first number to behind its last one, in the storage."""
        if 0 in self.shape:
            return 0
        return 1 + sum((n - 1) * s for n, s in zip(self.shape, self.strides, strict=True))

    def copy(self) -> Tensor:
        """The tensor, in memory of its own."""
        size = self.storage.dtype.itemsize
        data = bytearray(
            self.storage.data[self.offset * size : (self.offset + self._span()) * size]
        )
        if not data:
            return torch.empty(self.shape, dtype=self.storage.dtype)
        numbers = torch.frombuffer(data, dtype=self.storage.dtype)
        return numbers.as_strided(self.shape, self.strides).clone(
            memory_format=torch.contiguous_format
        )
