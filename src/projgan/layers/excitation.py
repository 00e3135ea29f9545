"""Skip-layer excitation: a small, early feature map gates the channels of a large, late one.

Source: FastGAN (Liu et al., 2021), section 3.1; used by the generators of Projected GANs
(Sauer et al., 2021).
"""

from __future__ import annotations

from torch import Tensor, nn

from projgan.layers.spectral_norm import SpectralNormConv2d

GRID = 4
"""The small map is pooled to 4x4 before it is read."""


class SkipExcitation(nn.Module):
    """Multiply the big map by gate(small): one gate in (0, 1) for each sample and channel.

    Coarse decisions reach fine layers, and gradients travel back, over a short path.
    """

    def __init__(self, small_channels: int, big_channels: int) -> None:
        super().__init__()
        self.pool = nn.AdaptiveAvgPool2d(GRID)
        self.squeeze = SpectralNormConv2d(small_channels, big_channels, GRID)
        self.activation = nn.SiLU()
        self.excite = SpectralNormConv2d(big_channels, big_channels, 1)
        self.gate = nn.Sigmoid()

    def forward(self, small: Tensor, big: Tensor) -> Tensor:
        """(B, small_channels, h, w) and (B, big_channels, H, W) -> (B, big_channels, H, W)."""
        squeezed = self.activation(self.squeeze(self.pool(small)))  # (B, big_channels, 1, 1)
        gated: Tensor = big * self.gate(self.excite(squeezed))
        return gated
