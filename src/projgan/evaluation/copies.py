"""Whether samples are copies of training pictures, and what share of them.

How near is too near depends on the set, so training pictures themselves are the yardstick. Of a
sample, let t be the nearest training picture, at distance d, and r the distance from t to the
training picture nearest to it. The sample's closeness is d / r: about 1 for a picture of the same
kind that is new, since t is then as near to it as training pictures are to each other, and near 0
for a copy. A sample is a copy if its closeness is below a threshold: the one that only 2 % of the
training pictures would pass if each were left out and taken for a sample, but no less than a half
and no more than two thirds (a few pictures say little about their closest 2 %).

Training sets hold doubles. Pictures nearer to each other than a tenth of the typical distance count
as one, so they change neither r nor the threshold; and r is taken to be at least half its median,
so near-doubles (shots of one second) do not hide copies of themselves.

Source: ours, after the authenticity of Alaa et al. (2022), who compare d with r alone: that calls
about half of all new pictures copies.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.errors import DataError
from projgan.evaluation.neighbours import FeatureSpace, Neighbours, Space
from projgan.evaluation.thumbnails import ThumbnailSpace, thumbnails

PASSED = 0.02
"""Share of training pictures that would pass for copies: what a score of new pictures is near."""
LEAST, MOST = 0.5, 2 / 3
"""Between them lies the threshold."""
SAME = 0.1
"""Share of the typical distance below which two training pictures count as one."""
FLOOR = 0.5
"""Least r, in medians of r."""


@dataclass(frozen=True)
class CopyScore:
    """What was found about N samples.

    Attributes:
        score: share of samples that are copies, 0 to 1; about 0.02 where none is.
        nearest: (N,) int64, index of the nearest training picture.
        is_mirrored: (N,), whether its mirror image was nearer.
        distances: (N,), to that picture.
        closeness: (N,), the distance in units of that picture's distance to its own neighbour.
        threshold: closeness below which a sample is a copy.
        thresholds: (N,), the same as distances.
    """

    score: float
    nearest: Tensor
    is_mirrored: Tensor
    distances: Tensor
    closeness: Tensor
    threshold: float
    thresholds: Tensor

    @property
    def is_copy(self) -> Tensor:
        """(N,), of which samples are copies."""
        return self.closeness < self.threshold


def copy_score(
    real_features: Tensor, fake_features: Tensor, *, mirrored: Tensor | None = None
) -> CopyScore:
    """How many of the fakes are copies, by distances between feature vectors.

    A copy with noise or blur can be far away in the pooled features of a network (see
    `picture_copies`, which sees it).

    Args:
        real_features: (M, D) of the training pictures, M >= 3.
        fake_features: (N, D).
        mirrored: (M, D) of the training pictures' mirror images, if these count.
    Raises: DataError: other shapes, fewer than 3 different training pictures, numbers that are not
        finite.
    """
    return Yardstick(FeatureSpace(real_features, mirrored)).score(fake_features)


def picture_copies(real: Iterable[Tensor], fake: Iterable[Tensor]) -> CopyScore:
    """How many of the fakes are copies, by thumbnails: without a network, fast, mirror-aware.

    Args:
        real, fake: batches of pictures (B, C, H, W), uint8 or float in [-1, 1].
    Raises: DataError: fewer than 3 different training pictures, or no fakes.
    """
    return Yardstick(ThumbnailSpace(thumbnails(real))).score(thumbnails(fake))


class Yardstick:
    """How near training pictures are to each other in a space; measured once, for any samples.

    Attributes:
        threshold: closeness below which a sample is a copy.
        doubles: how many training pictures repeat an earlier one.

    Raises: DataError: fewer than 3 different training pictures.
    """

    def __init__(self, space: Space) -> None:
        self._space = space
        own = space.among()
        is_other = own.distances > SAME * space.typical()
        places = torch.arange(space.count)[:, None]
        is_double = (~is_other & (own.indices < places)).any(dim=1)
        self.doubles = int(is_double.sum())
        different = space.count - self.doubles
        if different < 3:
            raise DataError(
                f"copies cannot be told among {different} different training pictures; at least 3"
            )
        r, neighbour = _first(own, is_other)
        self._least = FLOOR * float(r[~is_double].median())
        self._scale = r.clamp_min(self._least)
        # Each left out: its neighbour's r must not be the way back to it.
        without = is_other[neighbour] & (own.indices[neighbour] != places)
        others = Neighbours(own.distances[neighbour], own.indices[neighbour], own.is_mirrored)
        left_out = r / _first(others, without)[0].clamp_min(self._least)
        passed = torch.quantile(left_out[~is_double], PASSED)
        self.threshold = float(passed.clamp(LEAST, MOST))

    def score(self, samples: Tensor) -> CopyScore:
        """What there is to say about samples, described as the space wants them."""
        found = self._space.of(samples)
        nearest, distances = found.indices[:, 0], found.distances[:, 0]
        scale = self._scale[nearest]
        closeness = distances / scale
        return CopyScore(
            score=float((closeness < self.threshold).float().mean()),
            nearest=nearest,
            is_mirrored=found.is_mirrored[:, 0],
            distances=distances,
            closeness=closeness,
            threshold=self.threshold,
            thresholds=scale * self.threshold,
        )


def _first(own: Neighbours, counts: Tensor) -> tuple[Tensor, Tensor]:
    """The nearest neighbour that counts (N, K), or the last one remembered: distance and index."""
    last = counts.shape[1] - 1
    place = torch.where(counts.any(dim=1), counts.int().argmax(dim=1), last)[:, None]
    return own.distances.gather(1, place)[:, 0], own.indices.gather(1, place)[:, 0]
