"""What every metric asks of its features first: shape, number of rows, finite entries."""

from __future__ import annotations

import torch
from torch import Tensor

from projgan.errors import DataError


def checked(features: Tensor, *, least: int, metric: str) -> Tensor:
    """(N, D) features on the CPU, in the type they came in; metrics turn chunks into float64.

    Args:
        features: (N, D), any float type and device.
        least: fewest rows the metric can do with.
        metric: what asks, for the message, for example "a kernel distance".

    Raises: DataError: another shape, too few rows, or entries that are not finite.
    """
    if features.dim() != 2:
        raise DataError(f"expected features of shape (N, D), got {tuple(features.shape)}")
    if features.shape[0] < least:
        raise DataError(f"{metric} needs at least {least} pictures, got {features.shape[0]}")
    features = features.detach().to("cpu")
    if not bool(torch.isfinite(features).all()):
        raise DataError("features hold numbers that are not finite; the pictures may be broken")
    return features


def checked_pair(a: Tensor, b: Tensor, *, least: int, metric: str) -> tuple[Tensor, Tensor]:
    """Both sets `checked`, and of the same width.

    Raises: DataError: as `checked`, or different D.
    """
    a, b = checked(a, least=least, metric=metric), checked(b, least=least, metric=metric)
    if a.shape[1] != b.shape[1]:
        raise DataError(f"feature sets of different width: {a.shape[1]} and {b.shape[1]}")
    return a, b
