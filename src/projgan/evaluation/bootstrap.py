"""How sure a figure is: intervals by the bootstrap.

The set is drawn anew from itself many times, with putting back, and the figure computed each time;
the interval is what the middle 95 % of those have. It says how much depends on just these pictures,
not whether the metric is right.

Averages over pairs leave out pairs of a picture with itself, also where it was drawn twice: else
every draw would look less diverse than the set. The Frechet distance cannot be mended like that (a
picture drawn twice narrows the covariance), so it has no interval here.

Source: Efron and Tibshirani, An Introduction to the Bootstrap (1993).
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from projgan.evaluation.kernel import kernel
from projgan.evaluation.pairwise import squared_distances
from projgan.rng import numpy_stream

DRAWS = 200
MOST_ROWS = 2_500
"""Intervals of averages over pairs look at the first so many pictures of a side: a larger set has a
narrower one than is said, never a wider one."""

Interval = tuple[float, float]
Blocks = Iterator[tuple[int, Tensor]]


def interval_of_mean(values: Tensor, *, seed: int = 0) -> Interval:
    """95 % interval of the mean of (N,) values, N >= 1."""
    weights = _weights(len(values), seed, "mean")
    return _middle(weights @ values.to(torch.float64) / len(values))


def interval_of_diversity(features: Tensor, *, seed: int = 0) -> Interval:
    """95 % interval of `diversity` of (N, D), N >= 2."""
    features = features[:MOST_ROWS]
    weights = _weights(len(features), seed, "diversity")
    blocks = ((start, block.sqrt_()) for start, block in squared_distances(features, features))
    return _middle(_own_mean(blocks, weights))


def interval_of_kernel_distance(real: Tensor, fake: Tensor, *, seed: int = 0) -> Interval:
    """95 % interval of `kernel_distance` of (N, D) reals and (M, D) fakes, N and M >= 2."""
    x, y = (features[:MOST_ROWS].to(torch.float64) for features in (real, fake))
    weights_x, weights_y = _weights(len(x), seed, "reals"), _weights(len(y), seed, "fakes")
    across = _products(_kernels(x, y), weights_x, weights_y) / (len(x) * len(y))
    own = _own_mean(_kernels(x, x), weights_x) + _own_mean(_kernels(y, y), weights_y)
    return _middle(own - 2 * across)


def _kernels(x: Tensor, y: Tensor) -> Blocks:
    for start in range(0, len(x), 512):
        yield start, kernel(x[start : start + 512], y)


def _own_mean(blocks: Blocks, weights: Tensor) -> Tensor:
    """Mean over pairs of two different pictures, by each draw's weights (B, N): (B,)."""

    def without_itself() -> Blocks:
        for start, block in blocks:
            block.diagonal(offset=start).zero_()
            yield start, block

    pairs = weights.sum(dim=1).square() - weights.square().sum(dim=1)
    return _products(without_itself(), weights, weights) / pairs


def _products(blocks: Blocks, rows: Tensor, columns: Tensor) -> Tensor:
    """w_rows^T K w_columns of each draw: (B, N) and (B, M) weights -> (B,)."""
    total = torch.zeros(len(rows), dtype=torch.float64)
    for start, block in blocks:
        total += (rows[:, start : start + len(block)] * (columns @ block.T)).sum(dim=1)
    return total


def _weights(count: int, seed: int, name: str) -> Tensor:
    """How often each of `count` pictures is in each draw: (B, count) float64."""
    stream = numpy_stream(seed, f"bootstrap of {name}")
    return torch.from_numpy(stream.multinomial(count, [1 / count] * count, size=DRAWS)).double()


def _middle(values: Tensor) -> Interval:
    low, high = torch.quantile(values, torch.tensor([0.025, 0.975], dtype=torch.float64)).tolist()
    return low, high
