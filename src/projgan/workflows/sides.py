"""The two sides of a comparison, batch by batch: reals of a prepared set, fakes of a snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from projgan.data.dataset import PreparedSet
from projgan.images import to_uint8
from projgan.snapshot import Classes, Snapshot

BATCH = 32
Progress = Callable[[int, int], None]
Places = npt.NDArray[np.int64]


def spaced(total: int, limit: int | None) -> Places:
    """At most `limit` places of `total`, evenly spaced: a set may be sorted by class. (N,)."""
    count = total if limit is None else min(limit, total)
    return np.arange(count) * total // count


def classes_like(data: PreparedSet, places: Places, count: int) -> Tensor | None:
    """A class for each of `count` fakes: as many of each as those reals have, round by round.

    None for pictures without classes.
    """
    if data.labels is None:
        return None
    return data.classes_of(places[np.arange(count) % len(places)])


def _silently(done: int, total: int) -> None:
    """No progress is shown."""


def real_batches(
    data: PreparedSet, places: Places, progress: Progress = _silently
) -> Iterator[Tensor]:
    """Pictures of the set by place, (b, C, H, W) uint8; progress: called with (done, in all)."""
    for start in range(0, len(places), BATCH):
        stop = min(start + BATCH, len(places))
        yield data.images(places[start:stop])
        progress(stop, len(places))


def sample_batches(
    snapshot: Snapshot,
    seeds: Sequence[int],
    classes: Classes,
    progress: Progress = _silently,
) -> Iterator[Tensor]:
    """Samples of a snapshot, one a seed: (b, C, H, W) uint8; progress as above.

    Rounded, so that they have no finer values than a file can hold.
    classes: a class for each; of no concern to a generator without classes.
    """
    done = 0
    with torch.no_grad():
        latents = snapshot.generator.latents(list(seeds))
        labels = classes if snapshot.class_names else None
        for images in snapshot.images(latents, classes=labels, batch=BATCH):
            yield to_uint8(images)
            done += len(images)
            progress(done, len(seeds))
