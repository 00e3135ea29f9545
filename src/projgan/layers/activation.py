"""Leaky ReLU that keeps the size of its input.

Source: StyleGAN2 (Karras et al., 2020), as in the generator of Projected GANs (Sauer et al., 2021).
"""

from __future__ import annotations

import math

import torch.nn.functional as F
from torch import Tensor

SLOPE = 0.2
GAIN = math.sqrt(2)


def scaled_leaky_relu(x: Tensor) -> Tensor:
    """Leaky ReLU with slope 0.2, times sqrt(2); any shape.

    A ReLU halves the mean square of normal values; the factor gives it back, so deep stacks of such
    layers neither fade nor explode.
    """
    return F.leaky_relu(x, SLOPE) * GAIN
