"""Conditional batch normalisation: the class decides how much of each channel there is.

Source: de Vries et al. (2017) and BigGAN (Brock et al., 2019), in the form of the class-conditional
FastGAN generators of Projected GANs (Sauer et al., 2021).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from projgan.layers.spectral_norm import SpectralNormLinear


class ConditionalBatchNorm2d(nn.Module):
    """norm(x) * (1 + gain(e)) + bias(e), where e is the embedding of a sample's class.

    The statistics are those of the whole batch, whatever its classes; they have no weights of their
    own.

    Args:
        channels: of the maps.
        label_dim: length of an embedded class.
    """

    def __init__(self, channels: int, *, label_dim: int) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(channels, affine=False)
        self.gain = SpectralNormLinear(label_dim, channels)
        self.bias = SpectralNormLinear(label_dim, channels)

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """(B, C, H, W) and (B, label_dim) -> (B, C, H, W) in the type and memory format of x."""
        normalized: Tensor = self.norm(x)
        gain = (1 + self.gain(embedded)).to(normalized.dtype)[:, :, None, None]
        bias = self.bias(embedded).to(normalized.dtype)[:, :, None, None]
        return torch.addcmul(bias, normalized, gain)
