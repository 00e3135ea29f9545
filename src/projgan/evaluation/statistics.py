"""The Frechet distance between two sets of features, exact and without a matrix square root.

Two sets X (N, D) and Y (M, D) are described by their means and covariances, and

    d(X, Y) = |mean_x - mean_y|^2 + tr(Cx) + tr(Cy) - 2 tr((Cx Cy)^(1/2)).

The last trace is the sum of the singular values of Xc Yc^T / sqrt((N - 1)(M - 1)), where Xc, Yc
are the features minus their mean: no covariance is formed, and few pictures (N < D) need only a
small matrix. Many pictures are taken a few at a time.

Source: Dowson and Landau (1982); Heusel et al., GANs Trained by a Two Time-Scale Update Rule
(2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from projgan.evaluation.feature_sets import checked_pair


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """The squared Frechet distance of two feature sets, in float64; symmetric; 0 for equal sets.

    It depends on the number of pictures: two small samples of one distribution lie well above 0.
    Print it with the number of pictures and the extractor's description.

    Args:
        features_a: (N, D), any float type, N >= 2.
        features_b: (M, D), M >= 2.

    Raises: DataError: fewer than 2 rows, different D, or entries that are not finite.
    """
    a, b = checked_pair(features_a, features_b, least=2, metric="a Frechet distance")
    mean_a, mean_b = a.mean(dim=0, dtype=torch.float64), b.mean(dim=0, dtype=torch.float64)
    root_a, root_b = _root(a, mean_a), _root(b, mean_b)
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    traces = root_a.square().sum() + root_b.square().sum()
    distance = (mean_a - mean_b).square().sum() + traces - 2 * cross
    # A distance; only rounding can put it below 0.
    return max(float(distance), 0.0)


def _root(features: Tensor, mean: Tensor) -> Tensor:
    """(N, D) -> R (min(N, D), D) with R^T R = covariance, float64.

    Rows beyond D are folded into a triangle, as many at a time as the triangle has: memory does not
    grow with N, and unlike a sum of squares this loses no digits.
    """
    count, width = features.shape
    root = features[:width].to(torch.float64) - mean
    for start in range(width, count, width):
        chunk = features[start : start + width].to(torch.float64) - mean
        root = torch.linalg.qr(torch.cat([root, chunk]), mode="r").R
    return root / math.sqrt(count - 1)
