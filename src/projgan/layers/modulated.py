"""Modulated convolution: every sample has its own weight, made from a shared one by its style.

Source: StyleGAN2 (Karras et al., 2020), section 2.2: weight demodulation.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.layers.fir import Smooth2d

EPS = 1e-8


class ModulatedConv2d(nn.Module):
    """A convolution whose weight is scaled by the style and brought back to unit output size.

    The paper gives sample b the weight w'[o, i, k] = s[b, i] * w[o, i, k], divided by the root of
    its sum of squares over i and k. One factor belongs to the input channel alone and the other to
    the output channel alone, so the same numbers come from scaling the input, convolving the whole
    batch with the one shared weight, and scaling the output. No weight per sample is ever made, and
    the root needs only the squares of s and w: (B, in) times (in, out).

    Args:
        kernel_size: odd; the size of the map is kept.
        upsample: twice the size, smoothed (see `layers.fir`); the kernel is then 3.
        demodulate: whether the output is scaled back.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        upsample: bool = False,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        assert kernel_size % 2 == 1, "an even kernel has no centre"
        assert kernel_size == 3 or not upsample, "upsampling takes a 3x3 kernel"
        self.demodulate = demodulate
        self.padding = kernel_size // 2
        # No factor 1 / sqrt(fan-in): demodulation would cancel it.
        shape = (out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(torch.randn(shape))
        self.smooth = Smooth2d(gain=4.0) if upsample else None

    def forward(self, x: Tensor, style: Tensor) -> Tensor:
        """(B, in, H, W) and style (B, in) -> (B, out, H, W), or (B, out, 2H, 2W) if it upsamples.

        Keeps the memory format of x.
        """
        x = x * style[:, :, None, None].to(x.dtype)
        if self.smooth is None:
            x = F.conv2d(x, self.weight, padding=self.padding)
        else:
            # Quarter of the work of upsampling first: the zeros between are never multiplied.
            x = self.smooth(F.conv_transpose2d(x, self.weight.transpose(0, 1), stride=2))
        if not self.demodulate:
            return x
        return x * self.demodulation(style)[:, :, None, None].to(x.dtype)

    def demodulation(self, style: Tensor) -> Tensor:
        """1 / root of the sum of squares of each sample's weight: (B, in) -> (B, out)."""
        # Autocast would square and add up in bfloat16, and rounding here scales a whole map.
        with torch.autocast(style.device.type, enabled=False):
            energy = self.weight.square().sum(dim=(2, 3))  # (out, in)
            return torch.rsqrt(style.square() @ energy.t() + EPS)
