"""The kernel distance (KID): how far apart two feature sets are, without a bias from their size.

The squared maximum mean discrepancy under the kernel k(x, y) = (x.y / D + 1)^3, by its unbiased
estimate: two samples of one distribution have 0 on average, however few they are; a single estimate
may lie below 0. That makes it the judge where the Frechet distance is mostly its own bias.

Source: Binkowski et al., Demystifying MMD GANs (2018).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.errors import UsageError
from projgan.evaluation.feature_sets import checked_pair
from projgan.rng import numpy_stream

_ROWS = 1_024


@dataclass(frozen=True)
class KernelDistance:
    """The mean over random subsets, and the standard deviation between subsets."""

    mean: float
    spread: float
    """Of one subset's estimate, not of the mean; 0 where a subset is the whole of both sets."""


def kernel_distance(
    real: Tensor, fake: Tensor, *, subsets: int = 100, subset_size: int = 1_000, seed: int = 0
) -> KernelDistance:
    """The unbiased kernel distance, in float64; symmetric but for the subsets drawn.

    A set against itself lies slightly below 0: the estimate leaves out what a picture has in common
    with itself within a set, and not across the sets.

    Args:
        real: (N, D), N >= 2.
        fake: (M, D), M >= 2.
        subsets: how many pairs of subsets are drawn, each without putting back.
        subset_size: pictures of each side in a subset; cut to the smaller set. Where that is the
            whole of both, one estimate is made: all would be the same.
        seed: which subsets.

    Raises:
        DataError: fewer than 2 rows, different D, or entries that are not finite.
        UsageError: subsets below 1 or subset_size below 2.
    """
    if subsets < 1 or subset_size < 2:
        raise UsageError(f"subsets {subsets} of size {subset_size}; at least 1 of size 2")
    real, fake = checked_pair(real, fake, least=2, metric="a kernel distance")
    size = min(subset_size, real.shape[0], fake.shape[0])
    if size == real.shape[0] == fake.shape[0]:
        return KernelDistance(float(_discrepancy(real, fake)), 0.0)
    choice = numpy_stream(seed, "subsets of the kernel distance")
    estimates = []
    for _ in range(subsets):
        chosen_real = torch.from_numpy(choice.permutation(real.shape[0])[:size])
        chosen_fake = torch.from_numpy(choice.permutation(fake.shape[0])[:size])
        estimates.append(_discrepancy(real[chosen_real], fake[chosen_fake]))
    all_of_them = torch.stack(estimates)
    return KernelDistance(float(all_of_them.mean()), float(all_of_them.std(correction=0)))


def _discrepancy(x: Tensor, y: Tensor) -> Tensor:
    """The unbiased estimate for all of x (N, D) and y (M, D): scalar float64."""
    x, y = x.to(torch.float64), y.to(torch.float64)
    return _mean_kernel(x, x, own=True) + _mean_kernel(y, y, own=True) - 2 * _mean_kernel(x, y)


def _mean_kernel(x: Tensor, y: Tensor, *, own: bool = False) -> Tensor:
    """Mean kernel of all pairs; `own`: x is y, and pairs of a picture with itself do not count."""
    total = torch.zeros((), dtype=torch.float64)
    for start in range(0, x.shape[0], _ROWS):
        total += kernel(x[start : start + _ROWS], y).sum()
    if not own:
        return total / (x.shape[0] * y.shape[0])
    itself = (x.square().sum(dim=1) / x.shape[1] + 1).pow(3).sum()
    return (total - itself) / (x.shape[0] * (x.shape[0] - 1))


def kernel(x: Tensor, y: Tensor) -> Tensor:
    """(N, D), (M, D) float64 -> (N, M): (x.y / D + 1)^3."""
    return (x @ y.T / x.shape[1] + 1).pow_(3)
