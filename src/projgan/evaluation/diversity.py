"""How different the pictures of a set are from each other: what falls first in a collapse."""

from __future__ import annotations

from torch import Tensor

from projgan.evaluation.feature_sets import checked
from projgan.evaluation.pairwise import squared_distances


def diversity(features: Tensor) -> float:
    """Mean Euclidean distance of two different rows of a set, in float64; 0 if all are equal.

    Only to be read beside the same figure of the reals.

    Args: features: (N, D), N >= 2.
    Raises: DataError: fewer than 2 rows, or entries that are not finite.
    """
    features = checked(features, least=2, metric="diversity")
    total = sum(float(block.sqrt_().sum()) for _, block in squared_distances(features, features))
    count = features.shape[0]
    return total / (count * (count - 1))
