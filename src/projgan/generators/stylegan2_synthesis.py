"""The second half of StyleGAN2: styles to images.

Shapes: B batch, C channels, S styles, W w_dim, P channels of the image, (h, w) size of a map. The
skip form: every block adds to an image, which grows with the blocks. Sizes by tier: see
`generators.pyramid`.

Source: StyleGAN2 (Karras et al., 2020), figure 7, as used by Projected GANs (Sauer et al., 2021).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.generators.pyramid import FIRST_TIER, Size, cropped, doubled
from projgan.layers.activation import scaled_leaky_relu
from projgan.layers.equalized import EqualizedLinear
from projgan.layers.fir import Upsample2d
from projgan.layers.modulated import ModulatedConv2d
from projgan.layers.noise import NoiseInjection

CLAMP = 256.0
"""Activations stay within this. The reference needs it for 16 bits, and clamps everywhere."""


def _bounded(x: Tensor) -> Tensor:
    # Not clamp, whose gradient takes four passes over the map: a tenth of the whole on a CPU.
    return F.hardtanh(x, -CLAMP, CLAMP)


class StyledConv(nn.Module):
    """Style from w, modulated 3x3 convolution, noise, bias, leaky ReLU.

    Args:
        w_dim: length of a style w.
        size: of the result.
        layer: 0 or 1, its place in the block.
        upsample: whether the result is twice the size of the input.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        w_dim: int,
        size: Size,
        layer: int,
        upsample: bool,
    ) -> None:
        super().__init__()
        self.to_style = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.conv = ModulatedConv2d(in_channels, out_channels, 3, upsample=upsample)
        self.noise = NoiseInjection(size, layer=layer, stored=True)
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, in, H, W) and (B, w_dim) -> (B, out, *size)."""
        x = self.noise(self.conv(x, self.to_style(w)))
        return _bounded(scaled_leaky_relu(x + self.bias[:, None, None].to(x.dtype)))


class ToImage(nn.Module):
    """A block's part of the image: style from w, modulated 1x1 convolution to P channels, bias."""

    def __init__(self, channels: int, image_channels: int, *, w_dim: int) -> None:
        super().__init__()
        self.to_style = EqualizedLinear(w_dim, channels, bias_init=1.0)
        self.conv = ModulatedConv2d(channels, image_channels, 1, demodulate=False)
        self.bias = nn.Parameter(torch.zeros(image_channels))
        # Nothing scales the output back here, so the style carries 1 / sqrt(fan-in).
        self.style_gain = 1 / math.sqrt(channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """(B, C, h, w) and (B, w_dim) -> (B, P, h, w), float32."""
        part: Tensor = self.conv(x, self.to_style(w) * self.style_gain)
        # float32 from here on: the parts of all blocks add up.
        return _bounded(part.float() + self.bias[:, None, None])


class SynthesisBlock(nn.Module):
    """One tier: two convolutions (one at the first), and a part of the image.

    Args:
        size: of the result; of the first tier the size of the input, else twice that.
    """

    def __init__(
        self,
        in_channels: int,
        channels: int,
        image_channels: int,
        *,
        w_dim: int,
        size: Size,
        is_first: bool,
    ) -> None:
        super().__init__()
        self.convs = nn.ModuleList()
        if not is_first:
            up = StyledConv(in_channels, channels, w_dim=w_dim, size=size, layer=0, upsample=True)
            self.convs.append(up)
        self.convs.append(
            StyledConv(channels, channels, w_dim=w_dim, size=size, layer=1, upsample=False)
        )
        self.to_image = ToImage(channels, image_channels, w_dim=w_dim)
        self.upsample = None if is_first else Upsample2d()

    def forward(
        self, x: Tensor, image: Tensor | None, styles: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor]:
        """The map and the image so far to those of this tier.

        Args:
            x: (B, in, h/2, w/2); at the first tier (B, C, h, w).
            image: (B, P, h/2, w/2), or None at the first tier.
            styles: (B, w_dim) each: one a convolution, and one for the image.
        """
        for conv, w in zip(self.convs, styles[:-1], strict=True):
            x = conv(x, w)
        part = self.to_image(x, styles[-1])
        if image is None or self.upsample is None:
            return x, part
        return x, self.upsample(image) + part


class Synthesis(nn.Module):
    """All blocks, from a learned map to the image.

    Args:
        channels: by tier, from 4 up.
        sizes: of the maps, by tier.
        w_dim: length of a style.
        image_channels: P.
    """

    def __init__(
        self,
        channels: Mapping[int, int],
        sizes: Mapping[int, Size],
        *,
        w_dim: int,
        image_channels: int = 3,
    ) -> None:
        super().__init__()
        self.sizes = dict(sizes)
        self.start = nn.Parameter(torch.randn(1, channels[FIRST_TIER], *sizes[FIRST_TIER]))
        self.blocks = nn.ModuleDict()
        for tier, width in channels.items():
            is_first = tier == FIRST_TIER
            self.blocks[str(tier)] = SynthesisBlock(
                width if is_first else channels[tier // 2],
                width,
                image_channels,
                w_dim=w_dim,
                size=sizes[tier] if is_first else doubled(sizes[tier // 2]),
                is_first=is_first,
            )

    def forward(self, styles_w: Tensor) -> Tensor:
        """(B, S, W) -> (B, P, *size), float32."""
        rows = styles_w.unbind(dim=1)
        x = self.start.expand(len(styles_w), -1, -1, -1)
        image: Tensor | None = None
        first = 0
        for (tier, size), block in zip(self.sizes.items(), self.blocks.values(), strict=True):
            # A block's last style makes its image; the next block's first convolution has the same.
            last = first + (1 if tier == FIRST_TIER else 2)
            x, image = block(x, image, rows[first : last + 1])
            x, image = cropped(x, size), cropped(image, size)
            first = last
        assert image is not None, "there is no block"
        return image
