"""A metric of a run: the Fréchet distance of samples and reals on lite1 features."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator

import numpy as np
import torch
from torch import Tensor

from projgan.data.dataset import PreparedSet
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.statistics import frechet_distance
from projgan.images import to_uint8
from projgan.rng import numpy_stream
from projgan.snapshot import Snapshot

_BATCH = 32


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
        self._chosen = np.arange(self.num_reals) * len(data) // self.num_reals
        # As many fakes of each class as the reals have, round by round.
        places = self._chosen[np.arange(self.num_samples) % self.num_reals]
        self._classes = None if data.labels is None else data.classes_of(places)
        started, self._at_end, self._values = time.monotonic(), 0, 0
        self.real = self._extractor.features(self._reals(data, progress))
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
        order = torch.from_numpy(numpy_stream(0, "halves of the reals").permutation(self.num_reals))
        half = self.num_reals // 2
        first, second = self.real[order[:half]], self.real[order[half : 2 * half]]
        return round(frechet_distance(first, second), 3)

    def _reals(self, data: PreparedSet, progress: Callable[[int, int], None]) -> Iterator[Tensor]:
        for start in range(0, self.num_reals, _BATCH):
            stop = min(start + _BATCH, self.num_reals)
            pictures = data.images(self._chosen[start:stop])
            self._at_end += int(((pictures == 0) | (pictures == 255)).sum())
            self._values += pictures.numel()
            yield pictures
            progress(stop, self.num_reals)

    def fakes(self, snapshot: Snapshot) -> Iterator[Tensor]:
        """The samples that are measured, batch by batch, uint8."""
        with torch.no_grad():
            latents = snapshot.generator.latents(list(range(self.num_samples)))
            classes = self._classes if snapshot.class_names else None
            for images in snapshot.images(latents, classes=classes, batch=_BATCH):
                yield to_uint8(images)
