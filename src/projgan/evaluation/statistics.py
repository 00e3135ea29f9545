"""The Frechet distance between two sets of features, exact and without a matrix square root.

Two sets X (N, D) and Y (M, D) are described by their means and covariances, and

    d(X, Y) = |mean_x - mean_y|^2 + tr(Cx) + tr(Cy) - 2 tr((Cx Cy)^(1/2)).

The last trace is the sum of the singular values of Xc Yc^T / sqrt((N - 1)(M - 1)), where Xc, Yc
are the features minus their mean: no covariance is formed, and few pictures (N < D) need only a
small matrix.

Source: Dowson and Landau (1982); Heusel et al., GANs Trained by a Two Time-Scale Update Rule
(2017).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from projgan.errors import DataError


def frechet_distance(features_a: Tensor, features_b: Tensor) -> float:
    """The squared Frechet distance of two feature sets, in float64; symmetric; 0 for equal sets.

    It depends on the number of pictures: two small samples of one distribution lie well above 0.
    Print it with the number of pictures and the extractor's description.

    Args:
        features_a: (N, D), any float type, N >= 2.
        features_b: (M, D), M >= 2.

    Raises: DataError: fewer than 2 rows, different D, or entries that are not finite.
    """
    a, b = _checked(features_a), _checked(features_b)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"feature sets of different width: {a.shape[1]} and {b.shape[1]}")
    mean_a, mean_b = a.mean(dim=0), b.mean(dim=0)
    root_a, root_b = _root(a - mean_a), _root(b - mean_b)
    cross = torch.linalg.svdvals(root_a @ root_b.T).sum()
    traces = root_a.square().sum() + root_b.square().sum()
    distance = (mean_a - mean_b).square().sum() + traces - 2 * cross
    # A distance; only rounding can put it below 0.
    return max(float(distance), 0.0)


def _root(centred: Tensor) -> Tensor:
    """(N, D) -> R (min(N, D), D) with R^T R = covariance."""
    count, width = centred.shape
    if count > width:
        centred = torch.linalg.qr(centred, mode="r").R
    return centred / math.sqrt(count - 1)


def _checked(features: Tensor) -> Tensor:
    if features.dim() != 2:
        raise DataError(f"expected features of shape (N, D), got {tuple(features.shape)}")
    if features.shape[0] < 2:
        raise DataError(f"a Frechet distance needs at least 2 pictures, got {features.shape[0]}")
    features = features.detach().to("cpu", torch.float64)
    if not bool(torch.isfinite(features).all()):
        raise DataError("features hold numbers that are not finite; the pictures may be broken")
    return features
