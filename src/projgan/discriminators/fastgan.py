"""FastGAN's own discriminator: trained from pixels, at two scales, and made to remember pictures.

The way of a batch (B pictures of R px; w = `width`, the channels at 128 px):

    images (B, 3, R, R)
      |-- stem: one convolution; above 256 px strided ones down to 256
      |     residual halvings, channels doubling             256: w/2  128: w  64: 2w  32: 4w
      |     map_16  (B,  8w, 16, 16)                         gated by the map of 128 px, if any
      |     map_8   (B, 16w,  8,  8)                         gated by the map of 64 px, if any
      |     1x1 and 4x4 convolutions                         5x5 logits
      |-- small picture: half the side, 128 px at most
      |     plain halvings to (B, 8w, 8, 8), 4x4 convolution 5x5 logits
      logits (B, 50)

On reals, small decoders (`discriminators.reconstruction`) draw the whole picture from map_8 and a
part of it from map_16. A discriminator that must remember what it saw cannot live on a few telltale
details.

Source: FastGAN (Liu et al., 2021), section 3.2 and appendix; its width is 32 here.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.discriminators.base import Discriminator
from projgan.discriminators.reconstruction import Reconstruction
from projgan.errors import UsageError
from projgan.layers.class_projection import ClassProjection
from projgan.layers.excitation import SkipExcitation
from projgan.layers.labels import require_labels
from projgan.layers.spectral_norm import SpectralNormConv2d

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)
LARGEST_MAP = 256
LARGEST_SMALL = 128
"""Sides in pixels: of the first map of the residual stack, and of the small picture."""
LAST_SIZE = 8
GATE_STRIDE = 8
"""A map gates the one that is so many times smaller."""

_WIDTHS: dict[int, float] = {8: 16, 16: 8, 32: 4, 64: 2, 128: 1, 256: 0.5, 512: 0.25}
"""Channels of a map by its side, as multiples of `width`."""


class Encoding(NamedTuple):
    """What the discriminator knows of a batch: what decoders draw the pictures from."""

    map_16: Tensor
    """(B, 8w, 16, 16)."""
    map_8: Tensor
    """(B, 16w, 8, 8)."""


class ResidualDown(nn.Module):
    """Half the size by two ways whose mean is taken: two convolutions, and a pooled 1x1."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.main = nn.Sequential(
            *_strided(channels, out_channels),
            SpectralNormConv2d(out_channels, out_channels, 3, padding=1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )
        self.direct = nn.Sequential(
            nn.AvgPool2d(2),
            SpectralNormConv2d(channels, out_channels, 1),
            nn.BatchNorm2d(out_channels),
            nn.LeakyReLU(0.2),
        )

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / 2, W / 2)."""
        mean: Tensor = (self.main(x) + self.direct(x)) / 2
        return mean


class FastGANDiscriminator(Discriminator):
    """Judges pictures at two scales.

    Args:
        resolution: 32, 64, 128, 256, 512 or 1024.
        width: channels at 128 px, at least 4. The paper's network has 32.
        channels: of the pictures.
        num_classes: 0, or how many classes; pictures then need labels. The paper has none: how
            well a picture's map_8 fits its class is added to all its logits.
    Raises: UsageError: for a resolution or width that is not offered.
    """

    # Deviation: the paper's network is for 256 px and more, with its smaller picture 128 px a side.
    # Below that, this one has fewer halvings and gates, and a small picture of half the side.

    def __init__(
        self, *, resolution: int = 256, width: int = 32, channels: int = 3, num_classes: int = 0
    ) -> None:
        super().__init__()
        if resolution not in RESOLUTIONS:
            known = ", ".join(map(str, RESOLUTIONS))
            raise UsageError(
                f"FastGAN's discriminator has no resolution {resolution}; choose from {known}"
            )
        if width < 4:
            # A quarter of the width is left at 512 px.
            raise UsageError(f"FastGAN's discriminator of width {width} is too small; at least 4")
        self.small_size = min(resolution // 2, LARGEST_SMALL)
        self.stem, size = _stem(resolution, width, channels)
        self.blocks, self.gates = nn.ModuleDict(), nn.ModuleDict()
        while size > LAST_SIZE:
            size //= 2
            wide = channels_at(size, width)
            self.blocks[str(size)] = ResidualDown(channels_at(2 * size, width), wide)
            if size * GATE_STRIDE <= min(resolution, LARGEST_MAP):
                self.gates[str(size)] = SkipExcitation(channels_at(size * GATE_STRIDE, width), wide)
        self.logits = nn.Sequential(
            SpectralNormConv2d(wide, 2 * wide, 1),
            nn.BatchNorm2d(2 * wide),
            nn.LeakyReLU(0.2),
            SpectralNormConv2d(2 * wide, 1, 4),
        )
        self.small = _small_branch(self.small_size, width, channels)
        self.reconstruction = Reconstruction(
            resolution=resolution,
            channels_16=channels_at(16, width),
            channels_8=wide,
            image_channels=channels,
        )
        self.num_classes = num_classes
        self.classes = ClassProjection(num_classes, wide) if num_classes else None

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, channels, R, R) in [-1, 1] -> (B, 50) raw logits, those of the full picture first.

        Args:
            c: (B,) class indices; only with classes, and then needed.
        """
        return self.judge(images, c)[0]

    def judge(self, images: Tensor, c: Tensor | None = None) -> tuple[Tensor, Encoding]:
        """The logits, and the maps from which `reconstruction` draws the pictures again."""
        require_labels(c, num_classes=self.num_classes, batch=len(images))
        x = self.stem(images)
        maps = {x.shape[-1]: x}
        for name, block in self.blocks.items():
            size = int(name)
            x = block(x)
            if name in self.gates:
                x = self.gates[name](maps[size * GATE_STRIDE], x)
            maps[size] = x
        # Powers of two: the mean of whole squares of pixels.
        small = F.interpolate(images, size=(self.small_size, self.small_size), mode="area")
        parts = [self.logits(x).flatten(1), self.small(small).flatten(1)]
        logits = torch.cat(parts, dim=1)
        if self.classes is not None and c is not None:
            logits = logits + self.classes(x.mean(dim=(2, 3)), c)
        return logits, Encoding(maps[16], x)


def channels_at(size: int, width: int) -> int:
    """Channels of the map of `size` px a side."""
    return int(_WIDTHS[size] * width)


def _strided(channels: int, out_channels: int) -> list[nn.Module]:
    """Half the size: 4x4 convolution of stride 2, batch norm, leaky ReLU."""
    return [
        SpectralNormConv2d(channels, out_channels, 4, stride=2, padding=1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2),
    ]


def _stem(resolution: int, width: int, channels: int) -> tuple[nn.Sequential, int]:
    """Pictures to the first map of the residual stack, and the side of that."""
    if resolution <= LARGEST_MAP:
        wide = channels_at(resolution, width)
        conv = SpectralNormConv2d(channels, wide, 3, padding=1)
        return nn.Sequential(conv, nn.LeakyReLU(0.2)), resolution
    size = resolution // 2
    wide = channels_at(size, width)
    layers = [
        SpectralNormConv2d(channels, wide, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
    ]
    while size > LARGEST_MAP:
        size //= 2
        layers += _strided(wide, channels_at(size, width))
        wide = channels_at(size, width)
    return nn.Sequential(*layers), size


def _small_branch(size: int, width: int, channels: int) -> nn.Sequential:
    """Small pictures to 5x5 logits, with half of the channels of the other branch."""
    size //= 2
    wide = channels_at(size, width) // 2
    layers: list[nn.Module] = [
        SpectralNormConv2d(channels, wide, 4, stride=2, padding=1),
        nn.LeakyReLU(0.2),
    ]
    while size > LAST_SIZE:
        size //= 2
        layers += _strided(wide, channels_at(size, width) // 2)
        wide = channels_at(size, width) // 2
    return nn.Sequential(*layers, SpectralNormConv2d(wide, 1, 4))
