"""Pictures unlike all others, and whether a set has a left and a right, on lite1's features."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

NEIGHBOURS = 5
APART = 4.0
"""Deviations from the median at which a picture is called an outlier. Of 200 real pictures of one
kind and 120 drawn ones, the most unusual had 3.0 and 2.4."""
LEAST = 20
"""Fewer pictures have no usual distance."""

SIDED = 0.7
"""Share of right guesses from which left and right count as different."""
LEAST_SIDED = 40
_RIDGE = 1.0


def unusualness(features: Tensor) -> Tensor:
    """How far each picture is from its neighbours, compared to the others: (N, D) -> (N,).

    The mean distance to its 5 nearest, less the median of that, over 1.4826 times the median
    absolute deviation: a normal distribution would have the unit 1. Pictures of a rare kind that
    come in groups of more than 5 are each other's neighbours and stay unnoticed.
    """
    count = len(features)
    distances = torch.cdist(features, features)
    distances.fill_diagonal_(float("inf"))
    near = distances.topk(min(NEIGHBOURS, count - 1), largest=False).values.mean(dim=1)
    centre = near.median()
    spread = (near - centre).abs().median() * 1.4826
    return (near - centre) / spread.clamp_min(1e-9)


@dataclass(frozen=True)
class Sides:
    """Whether pictures can be told from their mirror images.

    Attributes:
        right: share of pictures that a linear classifier got right which had learned from all the
            others; 0.5 is chance.
        count: how many pictures.
    """

    right: float
    count: int

    @property
    def are_different(self) -> bool:
        """Whether mirror images would add something that the pictures never show."""
        return self.right >= SIDED


def tell_sides(features: Tensor, mirrored: Tensor) -> Sides | None:
    """Guess for each picture which of the two it is: (N, D) twice; None if there are too few.

    The classifier is a ridge regression on the differences, without an offset, each picture left
    out in turn (exactly, by the leverages).
    """
    if len(features) < LEAST_SIDED:
        return None
    difference = (features - mirrored).double()
    gram = difference @ difference.T
    scale = float(gram.diagonal().mean())
    if scale == 0.0:
        return Sides(0.5, len(features))
    ridge = _RIDGE * scale * torch.eye(len(gram), dtype=torch.float64)
    hat = gram @ torch.linalg.inv(gram + ridge)
    leverage = hat.diagonal()
    left_out = (hat.sum(dim=1) - leverage) / (1 - leverage)
    return Sides(float((left_out > 0).double().mean()), len(features))
