"""Equalised learning rate: a linear layer whose weights all live on the scale of N(0, 1).

Source: Progressive GANs (Karras et al., 2018), as used in StyleGAN2 (Karras et al., 2020).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class EqualizedLinear(nn.Module):
    """A linear layer that scales its weight when it is used, not when it is drawn.

    The weight is stored as N(0, 1) / lr_multiplier and used times lr_multiplier / sqrt(in). Adam
    moves every stored weight by about its learning rate; so all layers, wide or narrow, learn at
    one relative speed, and a multiplier below 1 makes a layer learn that much more slowly.

    Always in float32: these layers are tiny, and a rounded style is off in a whole feature map.

    Args:
        bias_init: the bias in use at the start.
        lr_multiplier: relative speed of learning.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        *,
        bias_init: float = 0.0,
        lr_multiplier: float = 1.0,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / lr_multiplier)
        self.bias = nn.Parameter(torch.full((out_features,), bias_init / lr_multiplier))
        self.weight_gain = lr_multiplier / math.sqrt(in_features)
        self.bias_gain = lr_multiplier

    def forward(self, x: Tensor) -> Tensor:
        """(B, in) -> (B, out), float32 under autocast too."""
        with torch.autocast(x.device.type, enabled=False):
            weight = self.weight * self.weight_gain
            return F.linear(x.to(weight.dtype), weight, self.bias * self.bias_gain)
