"""Distances between all pairs of two feature sets, a few rows at a time and in float64."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

_ROWS = 512
# A squared distance below this share of the two squared lengths is rounding: the rows are equal.
_ROUNDING = 1e-13


def squared_distances(a: Tensor, b: Tensor) -> Iterator[tuple[int, Tensor]]:
    """Squared Euclidean distances of all of a to all of b: yields (first row, (rows, M) float64).

    Memory is that of one float64 copy of b and a few hundred rows. Equal rows have distance 0
    exactly, in spite of rounding.

    Args:
        a: (N, D) on the CPU.
        b: (M, D) on the CPU.
    """
    # Around a common centre the products are small, and so is what cancels.
    centre = b.mean(dim=0, dtype=torch.float64)
    others = b.to(torch.float64) - centre
    lengths_b = others.square().sum(dim=1)
    for start in range(0, a.shape[0], _ROWS):
        rows = a[start : start + _ROWS].to(torch.float64) - centre
        lengths = rows.square().sum(dim=1)[:, None] + lengths_b
        block = torch.addmm(lengths, rows, others.T, alpha=-2.0)
        yield start, block.masked_fill_(block <= _ROUNDING * lengths, 0.0)


def within(a: Tensor) -> Iterator[tuple[int, Tensor]]:
    """`squared_distances` of a set to itself, where a row's distance to itself is infinite."""
    for start, block in squared_distances(a, a):
        block.diagonal(offset=start).fill_(torch.inf)
        yield start, block
