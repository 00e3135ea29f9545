"""Which training pictures lie nearest to a picture, in a space of features; mirror images count.

A distance to a training picture is that to it or to its mirror image, whichever is nearer.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.errors import DataError

KEPT = 10
"""Neighbours that are remembered of each picture: more than anybody has of one picture."""
_ROWS = 512
_PROBES = 256


@dataclass(frozen=True)
class Neighbours:
    """For Q pictures their K nearest training pictures, nearest first, all (Q, K).

    Attributes:
        distances: >= 0.
        indices: of the training pictures.
        is_mirrored: whether it was the mirror image that was nearer.
    """

    distances: Tensor
    indices: Tensor
    is_mirrored: Tensor


class Space(ABC):
    """Training pictures in a space where pictures have distances.

    Args:
        count: training pictures M, at least 3.

    Raises: DataError: there are fewer.
    """

    def __init__(self, count: int) -> None:
        if count < 3:
            raise DataError(f"copies cannot be told among {count} training pictures; at least 3")
        self.count = count

    @abstractmethod
    def of(self, pictures: Tensor) -> Neighbours:
        """The neighbours of any pictures (Q, ...), as the space describes them."""

    @abstractmethod
    def among(self) -> Neighbours:
        """The neighbours of every training picture among the others."""

    @abstractmethod
    def typical(self) -> float:
        """The median distance between two training pictures, from at most 256 of them."""


class FeatureSpace(Space):
    """Euclidean distances between feature vectors, mirror images given apart.

    Args:
        real: (M, D), finite, any float type.
        mirrored: (M, D), those of the mirror images; None: mirror images do not count.

    Raises: DataError: other shapes, or entries that are not finite.
    """

    def __init__(self, real: Tensor, mirrored: Tensor | None = None) -> None:
        self._real = _checked(real, "the training pictures")
        super().__init__(len(self._real))
        self._mirrored = None if mirrored is None else _checked(mirrored, "the mirror images")
        if self._mirrored is not None and self._mirrored.shape != self._real.shape:
            raise DataError("mirror images must have the shape of what they mirror")

    def of(self, pictures: Tensor) -> Neighbours:
        """The neighbours of (Q, D) features."""
        pictures = _checked(pictures, "the samples")
        if pictures.shape[1] != self._real.shape[1]:
            widths = f"{self._real.shape[1]} and {pictures.shape[1]}"
            raise DataError(f"feature sets of different width: {widths}")
        return join(self._nearest(part, None) for part in pictures.split(_ROWS))

    def among(self) -> Neighbours:
        """The neighbours of every training picture among the others."""
        places = torch.arange(self.count).split(_ROWS)
        return join(self._nearest(self._real[rows], rows) for rows in places)

    def typical(self) -> float:
        """The median distance between two training pictures, from at most 256 of them."""
        step = -(-self.count // _PROBES)
        return float(torch.pdist(self._real[::step]).median())

    def _nearest(self, pictures: Tensor, own: Tensor | None) -> Neighbours:
        """(Q, D) -> its neighbours, without those at the places `own` (Q,)."""
        distances = torch.cdist(pictures, self._real)
        is_mirrored = torch.zeros_like(distances, dtype=torch.bool)
        if self._mirrored is not None:
            mirrored = torch.cdist(pictures, self._mirrored)
            is_mirrored = mirrored < distances
            distances = torch.minimum(distances, mirrored)
        if own is not None:
            distances[torch.arange(len(own)), own] = torch.inf
        nearest, indices = distances.topk(min(KEPT, self.count - 1), dim=1, largest=False)
        return Neighbours(nearest, indices, is_mirrored.gather(1, indices))


def join(parts: Iterator[Neighbours]) -> Neighbours:
    """Neighbours of parts of the pictures as those of all."""
    found = list(parts)
    return Neighbours(
        torch.cat([part.distances for part in found]),
        torch.cat([part.indices for part in found]),
        torch.cat([part.is_mirrored for part in found]),
    )


def _checked(features: Tensor, what: str) -> Tensor:
    if features.dim() != 2 or not len(features):
        raise DataError(f"expected features of {what} as (N, D), got {tuple(features.shape)}")
    features = features.detach().to("cpu", torch.float32)
    if not bool(torch.isfinite(features).all()):
        raise DataError(f"features of {what} hold numbers that are not finite")
    return features
