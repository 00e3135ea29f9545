"""Pictures as thumbnails: a space that needs no network and sees where things are.

A thumbnail has 32 x 32 pixels. Its middle is compared with every training picture's, shifted by up
to two pixels each way (a sixteenth of the picture) and mirrored or not; brightness, tint and
contrast are taken out first. So noise, blur, small shifts and other colours keep a copy near, while
pooled features of a network see a noisy picture far away from the clean one: see docs/copies.md for
measurements.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from projgan.errors import DataError
from projgan.evaluation.neighbours import FeatureSpace, Neighbours, Space, join
from projgan.images import over, to_float

SIDE = 32
REACH = 2
"""Pixels of the thumbnail by which a copy may be shifted."""
_LEAST_CONTRAST = 0.05
"""Added to a standard deviation before dividing: a plain picture stays plain."""
_AT_ONCE = 64


def thumbnails(batches: Iterable[Tensor]) -> Tensor:
    """Batches of pictures (B, C, H, W), uint8 or float in [-1, 1] -> (N, 3, 32, 32), on the CPU.

    Whatever their shape, pictures are seen as squares; what is transparent is laid over white.
    """
    rows = [_shrink(batch) for batch in batches]
    return torch.cat(rows) if rows else torch.empty(0, 3, SIDE, SIDE)


class ThumbnailSpace(Space):
    """Distances between thumbnails, the least one over shifts and mirroring.

    The ten nearest without a shift are looked at more closely: a shift by two pixels hardly leaves
    those.

    Args:
        real: (M, 3, 32, 32), as `thumbnails` gives them.
    """

    def __init__(self, real: Tensor) -> None:
        super().__init__(len(real))
        self._real = _checked(real)
        centres, mirrored = _centre(self._real), _centre(self._real.flip(3))
        self._unshifted = FeatureSpace(centres, mirrored)

    def of(self, pictures: Tensor) -> Neighbours:
        """The neighbours of (Q, 3, 32, 32) thumbnails."""
        centres = _centre(_checked(pictures))
        return self._look_closer(centres, self._unshifted.of(centres))

    def among(self) -> Neighbours:
        """The neighbours of every training picture among the others."""
        return self._look_closer(_centre(self._real), self._unshifted.among())

    def typical(self) -> float:
        """The median distance between two training pictures, unshifted."""
        return self._unshifted.typical()

    def _look_closer(self, centres: Tensor, first: Neighbours) -> Neighbours:
        """Put the neighbours in order of their distances over all shifts.

        centres: (Q, D), of the pictures whose neighbours they are.
        """
        parts = []
        for rows in torch.arange(len(centres)).split(_AT_ONCE):
            indices, is_mirrored = first.indices[rows], first.is_mirrored[rows]
            candidates = self._real[indices]  # (q, K, 3, 32, 32)
            candidates = torch.where(
                is_mirrored[:, :, None, None, None], candidates.flip(4), candidates
            )
            distances = _least_distance(centres[rows], candidates)
            distances, order = distances.sort(dim=1)
            parts.append(
                Neighbours(distances, indices.gather(1, order), is_mirrored.gather(1, order))
            )
        return join(iter(parts))


def _least_distance(centres: Tensor, candidates: Tensor) -> Tensor:
    """(q, D) and (q, K, 3, 32, 32) -> (q, K): over all windows of the candidates."""
    length = SIDE - 2 * REACH
    count = candidates.shape[1]
    least = torch.full((len(centres), count), torch.inf)
    for top in range(2 * REACH + 1):
        for left in range(2 * REACH + 1):
            windows = candidates[..., top : top + length, left : left + length]
            vectors = _normalise(windows.flatten(0, 1)).view(len(centres), count, -1)
            least = torch.minimum(least, (vectors - centres[:, None]).norm(dim=2))
    return least


def _centre(thumbs: Tensor) -> Tensor:
    """(N, 3, 32, 32) -> (N, D): the window in the middle."""
    return _normalise(thumbs[..., REACH : SIDE - REACH, REACH : SIDE - REACH])


def _normalise(windows: Tensor) -> Tensor:
    """(N, 3, h, w) -> (N, D) without brightness, tint and contrast."""
    plain = windows - windows.mean(dim=(2, 3), keepdim=True)
    vectors = plain.flatten(1)
    contrast = vectors.square().mean(dim=1, keepdim=True).sqrt()
    return vectors / (contrast + _LEAST_CONTRAST)


def _shrink(images: Tensor) -> Tensor:
    images = to_float(images) if images.dtype == torch.uint8 else images.float().clamp(-1, 1)
    small = F.interpolate(
        over(images), size=(SIDE, SIDE), mode="bilinear", align_corners=False, antialias=True
    )
    return small.cpu()


def _checked(thumbs: Tensor) -> Tensor:
    if tuple(thumbs.shape[1:]) != (3, SIDE, SIDE) or not len(thumbs):
        raise DataError(f"expected thumbnails (N, 3, {SIDE}, {SIDE}), got {tuple(thumbs.shape)}")
    return thumbs
