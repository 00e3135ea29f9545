"""Quality and variety apart: precision, recall, density and coverage.

Around each picture of a set lies a ball that reaches to its k-th nearest neighbour in that set; all
balls together are the set's manifold. Precision asks whether fakes lie in the reals' balls, recall
whether reals lie in the fakes'. Density and coverage ask the same less harshly towards outliers: in
how many of the reals' balls a fake lies, and how many of the reals' balls hold a fake.

Source: Kynkaanniemi et al., Improved Precision and Recall Metric for Assessing Generative Models
(2019); Naeem et al., Reliable Fidelity and Diversity Metrics for Generative Models (2020). As in
those: a picture on the rim of a ball is inside for precision and recall, outside for the others.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.errors import UsageError
from projgan.evaluation.feature_sets import checked_pair
from projgan.evaluation.pairwise import squared_distances, within

# Rims are met exactly wherever both sets share pictures: rounding must not decide there.
_RIM = 1e-9


@dataclass(frozen=True)
class ManifoldScores:
    """Shares in [0, 1]; density may exceed 1 where fakes crowd around reals.

    A set against itself has 1 in all of them, unless it holds duplicates.
    """

    precision: float
    """Share of fakes that look like some real: how good a single picture is."""
    recall: float
    """Share of reals that some fake comes near: how much of the variety is there."""
    density: float
    """In how many of the reals' balls a fake lies, over k."""
    coverage: float
    """Share of reals with a fake in their ball."""


def manifold_scores(real: Tensor, fake: Tensor, *, neighbours: int = 5) -> ManifoldScores:
    """Precision, recall, density and coverage, in float64. The order matters: reals first.

    Exchanged sides exchange precision and recall, without a word. All four depend on the numbers
    of pictures.

    Args:
        real: (N, D), N > neighbours.
        fake: (M, D), M > neighbours.
        neighbours: k, at least 1.

    Raises:
        DataError: too few rows, different D, or entries that are not finite.
        UsageError: neighbours below 1.
    """
    if neighbours < 1:
        raise UsageError(f"neighbours is {neighbours}; at least 1")
    name = f"precision and recall with {neighbours} neighbours"
    real, fake = checked_pair(real, fake, least=neighbours + 1, metric=name)
    reach_real, reach_fake = radii(real, neighbours), radii(fake, neighbours)
    precise = inside = 0
    recalled = torch.zeros(real.shape[0], dtype=torch.bool)
    covered = torch.zeros(real.shape[0], dtype=torch.bool)
    for start, block in squared_distances(fake, real):
        in_real = block < reach_real * (1 - _RIM)  # (rows, N), strictly inside
        inside += int(in_real.sum())
        covered |= in_real.any(dim=0)
        precise += int((block <= reach_real * (1 + _RIM)).any(dim=1).sum())
        reach = reach_fake[start : start + block.shape[0], None]
        recalled |= (block <= reach * (1 + _RIM)).any(dim=0)
    return ManifoldScores(
        precision=precise / fake.shape[0],
        recall=float(recalled.double().mean()),
        density=inside / (neighbours * fake.shape[0]),
        coverage=float(covered.double().mean()),
    )


def radii(features: Tensor, neighbours: int) -> Tensor:
    """Squared distance of each row to its k-th nearest other row: (N, D) -> (N,) float64; N > k."""
    assert features.shape[0] > neighbours, "too few rows for so many neighbours"
    return torch.cat([block.kthvalue(neighbours, dim=1).values for _, block in within(features)])
