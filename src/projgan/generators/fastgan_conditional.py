"""The block of the class-conditional FastGAN generators: labels enter by batch normalisation alone.

Shapes: B batch, E length of an embedded class, (h, w) size of a map.

Source: Projected GANs (Sauer et al., 2021), class-conditional FastGAN.
"""

from __future__ import annotations

from torch import Tensor, nn

from projgan.generators.pyramid import Size
from projgan.layers.conditional_norm import ConditionalBatchNorm2d
from projgan.layers.glu import GLU
from projgan.layers.noise import NoiseInjection
from projgan.layers.spectral_norm import SpectralNormConv2d
from projgan.layers.upsampling import UpsampleConv2d


class ConditionalUpBlock(nn.Module):
    """A block to twice the size: convolution, noise, conditional norm, GLU; once (lite) or twice.

    Args:
        in_channels, channels: of the maps before and after.
        label_dim: E.
        size: (h, w), of the map after.
        lite: one convolution, and no noise.
    """

    # The two noise steps of a full block share one learned amount, where those of the block without
    # classes have one each: so it is in the reference. Their fixed maps are then the same, too.

    def __init__(
        self, in_channels: int, channels: int, *, label_dim: int, size: Size, lite: bool
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList([UpsampleConv2d(in_channels, 2 * channels)])
        if not lite:
            self.convs.append(SpectralNormConv2d(channels, 2 * channels, 3, padding=1))
        self.noise = nn.Identity() if lite else NoiseInjection(size)
        self.norms = nn.ModuleList(
            ConditionalBatchNorm2d(2 * channels, label_dim=label_dim) for _ in self.convs
        )
        self.glu = GLU()

    def forward(self, x: Tensor, embedded: Tensor) -> Tensor:
        """(B, in_channels, h/2, w/2) and (B, E) -> (B, channels, h, w)."""
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.glu(norm(self.noise(conv(x)), embedded))
        return x
