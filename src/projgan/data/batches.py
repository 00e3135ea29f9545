"""Batch after batch for the loop, by position alone; read ahead by a thread where that pays.

A batch is gathered from a map of the file. Where the system has the file in memory, that takes some
thousandths of a step on a CPU, and it has a small file from the first epoch on. Where the disk must
be waited for, or where steps are short as on an accelerator, it would be several hundredths or
more: there a thread gathers the next batch while the step runs, on CUDA into page-locked memory,
from where the copy does not make Python wait. Pictures that the device holds need neither.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from projgan.data.dataset import PreparedSet
from projgan.data.sampler import Sampler

if TYPE_CHECKING:
    from typing_extensions import Self

SMALL_BYTES = 512 * 1024**2
"""A set of this size stays in the system's memory while a CPU trains on it."""

Batch = tuple[Tensor, "Tensor | None"]
"""Pictures (B, C, H, W), uint8, and their classes (B,), if there are any."""


class Batches:
    """The batches of a run; a context, at whose end the thread is gone.

    Args:
        data: the pictures.
        sampler: says which come when.
        batch: B.
        device: where batches are wanted.
        with_classes: whether classes are, too.
        share: from an array of B to the part that this process has of it.
        ahead: whether a thread reads the next batch; None: where it pays.
    """

    def __init__(
        self,
        data: PreparedSet,
        sampler: Sampler,
        batch: int,
        *,
        device: torch.device,
        with_classes: bool = False,
        share: Callable[[Any], Any] = lambda rows: rows,
        ahead: bool | None = None,
    ) -> None:
        self._data, self._sampler, self._batch = data, sampler, batch
        self._device, self._with_classes, self._share = device, with_classes, share
        if ahead is None:
            is_small = device.type == "cpu" and data.pixels.nbytes <= SMALL_BYTES
            ahead = not (is_small or data.is_on(device))
        self._reader = ThreadPoolExecutor(1, "projgan reads ahead") if ahead else None
        self._next: tuple[int, Future[Batch]] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._reader is not None:
            self._reader.shutdown(wait=True, cancel_futures=True)

    def at(self, position: int) -> Batch:
        """The batch that begins when `position` images have been seen, on the device.

        Raises: whatever reading it ahead raised.
        """
        if self._reader is None:
            return self._read(position, self._device)
        known = self._next
        if known is not None and known[0] == position:
            images, c = known[1].result()
        else:
            images, c = self._read(position, torch.device("cpu"))
        following = position + self._batch
        self._next = (following, self._reader.submit(self._read_locked, following))
        # From page-locked memory the copy is queued behind the step that runs, without waiting.
        sent = images.to(self._device, non_blocking=True)
        return sent, None if c is None else c.to(self._device, non_blocking=True)

    def _read(self, position: int, device: torch.device) -> Batch:
        indices, flips = map(self._share, self._sampler.at(position, self._batch))
        images = self._data.images(indices, flips, device=device)
        if not self._with_classes:
            return images, None
        return images, self._data.classes_of(indices, device=device)

    def _read_locked(self, position: int) -> Batch:
        """The same in memory that the device may read by itself, where there is such memory."""
        images, c = self._read(position, torch.device("cpu"))
        if self._device.type != "cuda":
            return images, c
        return images.pin_memory(), None if c is None else c.pin_memory()
