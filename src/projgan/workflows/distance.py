"""A metric of a run: the Fréchet distance of samples and reals on lite1 features."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import torch
from torch import Tensor

from projgan.data.dataset import PreparedSet
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.statistics import frechet_distance
from projgan.images import to_uint8
from projgan.snapshot import Snapshot

_BATCH = 32


class Lite1Distance:
    """Called with a snapshot, as `train(metric=...)` wants it: `fd_lite1` of samples and reals.

    The features of the reals are computed once. Samples and reals are both rounded to uint8, so
    that neither side has finer values than a file can hold. A conditional generator makes fakes of
    the reals' classes, one for one.

    Args:
        data: the reals; at most `limit` of them, evenly spaced, for a set may be sorted by class.
        limit: most reals, and number of fakes.
    """

    def __init__(self, data: PreparedSet, *, limit: int = 1_000) -> None:
        self._extractor = Extractor("lite1")
        self._count = min(limit, len(data))
        chosen = np.arange(self._count) * len(data) // self._count
        self._classes = None if data.labels is None else data.classes_of(chosen)
        self._real = self._extractor.features(
            data.images(chosen[start : start + _BATCH]) for start in range(0, self._count, _BATCH)
        )

    def __call__(self, snapshot: Snapshot) -> dict[str, float]:
        """The distance, under the name that the history uses."""
        fake = self._extractor.features(self._fakes(snapshot))
        return {"fd_lite1": round(frechet_distance(fake, self._real), 3)}

    def _fakes(self, snapshot: Snapshot) -> Iterator[Tensor]:
        with torch.no_grad():
            latents = snapshot.generator.latents(list(range(self._count)))
            classes = self._classes if snapshot.class_names else None
            for images in snapshot.images(latents, classes=classes, batch=_BATCH):
                yield to_uint8(images)
