"""A metric of a run: the Fréchet distance of samples and reals on lite1 features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import torch
from torch import Tensor

from projgan.data.dataset import PreparedSet
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.figures import halves
from projgan.evaluation.statistics import frechet_distance
from projgan.snapshot import Snapshot
from projgan.workflows.sides import classes_like, real_batches, sample_batches, spaced


class Lite1Distance:
    """Called with a snapshot, as `train(metric=...)` wants it: `fd_lite1` of samples and reals.

    The features of the reals are computed once. Samples and reals are both rounded to uint8, so
    that neither side has finer values than a file can hold. A conditional generator makes fakes of
    the reals' classes, one for one.

    Args:
        data: the reals; at most `limit` of them, evenly spaced, for a set may be
            sorted by class.
        limit: most reals; None means all.
        samples: number of fakes, at least 2; None means as many as reals.
        device: where features are computed.
        progress: called with (reals done, reals in all).

    Attributes:
        name: what the distance is called, "fd-lite1".
        description: what it looks through, in words.
        num_reals, num_samples: how many pictures each side has.
        real: features of the reals, (N, 1280).
        saturation: share of the reals' pixel values at either end of the range.
        seconds_per_real: that a real took.
    """

    def __init__(
        self,
        data: PreparedSet,
        *,
        limit: int | None = 1_000,
        samples: int | None = None,
        device: str | torch.device = "cpu",
        progress: Callable[[int, int], None] = lambda done, total: None,
    ) -> None:
        self._extractor = Extractor("lite1").to(device)
        self.name, self.description = self._extractor.metric, self._extractor.description
        self.num_reals = len(data) if limit is None else min(limit, len(data))
        self.num_samples = samples or self.num_reals
        chosen = spaced(len(data), limit)
        self._classes = classes_like(data, chosen, self.num_samples)
        started, self._at_end, self._values = time.monotonic(), 0, 0
        self.real = self._extractor.features(self._counted(real_batches(data, chosen, progress)))
        self.seconds_per_real = (time.monotonic() - started) / self.num_reals
        self.saturation = self._at_end / self._values

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        """The distance, under the name that the history uses."""
        fake = self.features(self.fakes(snapshot))
        return {"fd_lite1": round(frechet_distance(fake, self.real), 3)}

    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features of uint8 pictures (b, C, H, W): (N, 1280), on the CPU."""
        return self._extractor.features(batches)

    def floor(self) -> float | None:
        """The distance between two halves of the reals; None for fewer than four.

        What pictures of the very same kind have. Halves have fewer pictures than the whole, which
        makes it larger, so a good generator with many samples may get below it.
        """
        if self.num_reals < 4:
            return None
        return round(frechet_distance(*halves(self.real)), 3)

    def _counted(self, batches: Iterable[Tensor]) -> Iterator[Tensor]:
        """The same pictures, uint8; how many of their values lie at an end is kept."""
        for pictures in batches:
            self._at_end += int(((pictures == 0) | (pictures == 255)).sum())
            self._values += pictures.numel()
            yield pictures

    def fakes(self, snapshot: Snapshot) -> Iterator[Tensor]:
        """The samples that are measured, batch by batch, uint8."""
        return sample_batches(snapshot, range(self.num_samples), self._classes)
