"""Equalised learning rate: layers whose weights all live on the scale of N(0, 1).

Source: Progressive GANs (Karras et al., 2018), as used in StyleGAN2 (Karras et al., 2020).
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.layers.fir import Downsample2d, Smooth2d


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


class EqualizedConv2d(nn.Module):
    """A convolution that keeps or halves the size and scales its weight when it is used.

    The weight is stored as N(0, 1) and used divided by the root of its inputs (channels times
    taps). Halving filters first, so that nothing is folded over.

    Args:
        kernel_size: odd; sides are padded with zeros.
        bias: one number a channel, 0 at the start.
        downsample: half the size, by a 1x1 or 3x3 kernel.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        bias: bool = True,
        downsample: bool = False,
    ) -> None:
        super().__init__()
        assert kernel_size % 2 == 1, f"a kernel of {kernel_size} has no middle"
        assert not downsample or kernel_size in (1, 3), "halving is for kernels of 1 and 3"
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.randn(shape))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = 1 / math.sqrt(in_channels * kernel_size**2)
        self.stride, self.padding = 1, kernel_size // 2
        self.smooth: nn.Module = nn.Identity()
        if downsample and kernel_size == 1:
            # Every other pixel first: a 1x1 convolution does not care, and has a quarter to do.
            self.smooth = Downsample2d()
        elif downsample:
            self.smooth, self.stride, self.padding = Smooth2d(padding=2), 2, 0

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H, W), or half of that."""
        weight = self.weight * self.weight_gain
        return F.conv2d(self.smooth(x), weight, self.bias, self.stride, self.padding)
