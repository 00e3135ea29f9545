"""FastGAN and FastGAN-lite: a plain stack of upsampling blocks with skip-layer excitation.

Shapes: B batch, Z z_dim, H and W height and width of the picture. The map of tier r (see
`generators.pyramid`; in a square of r pixels a side, r x r) has `channels_at(r, width)` channels.

Source: FastGAN (Liu et al., 2021) in the form of Projected GANs (Sauer et al., 2021): one output
size, no tanh, spectral norm in every convolution. The lite form halves the convolutions and has no
noise.
"""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from projgan.errors import UsageError
from projgan.generators.base import Generator, register
from projgan.generators.fastgan_conditional import ConditionalUpBlock
from projgan.generators.pyramid import FIRST_TIER, Size, cropped, doubled, map_sizes, settle_size
from projgan.layers.excitation import SkipExcitation
from projgan.layers.glu import GLU
from projgan.layers.labels import require_labels
from projgan.layers.noise import NoiseInjection
from projgan.layers.spectral_norm import SpectralNormConv2d, SpectralNormConvTranspose2d
from projgan.layers.upsampling import UpsampleConv2d

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)

_WIDTHS: dict[int, float] = {
    2: 16,
    4: 16,
    8: 8,
    16: 4,
    32: 2,
    64: 2,
    128: 1,
    256: 0.5,
    512: 0.25,
    1024: 0.125,
}
"""Channels at each tier, as multiples of `width`."""

_EXCITED = (64, 128, 256, 512)
"""Tiers gated by the map 16 times smaller. The reference leaves 1024 px ungated."""


def channels_at(tier: int, width: int) -> int:
    """Channels of the map of a tier."""
    return int(_WIDTHS[tier] * width)


class ConvStage(nn.Module):
    """Convolution, noise if asked for, batch norm, GLU.

    Args:
        conv: makes 2 * `channels`, of which the GLU leaves half.
        channels: of the result.
        noise: the noise layer, or None.
    """

    def __init__(
        self, conv: SpectralNormConv2d, channels: int, *, noise: NoiseInjection | None = None
    ) -> None:
        super().__init__()
        self.conv = conv
        self.noise = noise if noise is not None else nn.Identity()
        self.norm = nn.BatchNorm2d(2 * channels)
        self.glu = GLU()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, channels, H, W), twice the size if the convolution upsamples."""
        out: Tensor = self.glu(self.norm(self.noise(self.conv(x))))
        return out


class StartBlock(nn.Module):
    """From normalised latents to the first map, of `size`."""

    def __init__(self, z_dim: int, channels: int, size: Size) -> None:
        super().__init__()
        self.conv = SpectralNormConvTranspose2d(z_dim, 2 * channels, size)
        self.norm = nn.BatchNorm2d(2 * channels)
        self.glu = GLU()

    def forward(self, z: Tensor) -> Tensor:
        """(B, Z) -> (B, channels, *size)."""
        out: Tensor = self.glu(self.norm(self.conv(z[:, :, None, None])))
        return out


def up_block(in_channels: int, channels: int, *, size: Size, lite: bool) -> nn.Sequential:
    """A block to twice the size: one stage (lite), or two with noise (full).

    (B, in_channels, h/2, w/2) -> (B, channels, h, w), where (h, w) is `size`.
    """
    up = UpsampleConv2d(in_channels, 2 * channels)
    if lite:
        return nn.Sequential(ConvStage(up, channels))
    conv = SpectralNormConv2d(channels, 2 * channels, 3, padding=1)
    return nn.Sequential(
        ConvStage(up, channels, noise=NoiseInjection(size, layer=0)),
        ConvStage(conv, channels, noise=NoiseInjection(size, layer=1)),
    )


class FastGAN(Generator):
    """The FastGAN generator.

    Latents are normalised to mean square 1: scaling one changes nothing. Full FastGAN draws fresh
    noise in evaluation too (see `layers.noise.set_noise_mode`); lite is a function of z alone.

    Args:
        z_dim: length of a latent.
        resolution: side of square pictures: 32, 64, 128, 256, 512 or 1024.
        width: channels at 128 px (ngf), at least 8. The paper's networks have 128.
        lite: one convolution a block instead of two, and no noise.
        num_classes: labels choose between so many; 0: it takes none. A label is embedded once, with
            the length of a latent, and enters by the batch norms of all blocks; the start and the
            excitations know nothing of it.
        size: height and width of pictures that are not square, multiples of 32 up to 1024.
        channels: of the pictures.
    Raises: UsageError: for a size or width that is not offered.
    """

    # Deviation: the reference builds its 256 px block and excitation at every resolution and cannot
    # run at 64 px. Here each network holds the blocks that it uses, and 32 and 64 px end early.
    # Deviation: with classes, the reference has 1000 of them whatever the set has, and cannot be
    # built above 256 px. Here there are as many as the set has, at every resolution.

    def __init__(
        self,
        *,
        z_dim: int = 256,
        resolution: int = 256,
        width: int = 128,
        lite: bool = False,
        num_classes: int = 0,
        size: Size | None = None,
        channels: int = 3,
    ) -> None:
        size = settle_size("FastGAN", resolution, size, RESOLUTIONS)
        super().__init__(
            z_dim=z_dim,
            resolution=max(size),
            num_classes=num_classes,
            size=size,
            channels=channels,
        )
        if width < 8:
            # An eighth of the width is left at 1024 px.
            raise UsageError(f"FastGAN width {width} is too small; use at least 8")
        self.map_sizes = map_sizes(size)
        self.embed = nn.Embedding(num_classes, z_dim) if num_classes else None
        self.start = StartBlock(z_dim, channels_at(FIRST_TIER, width), self.map_sizes[FIRST_TIER])
        self.blocks = nn.ModuleDict()
        self.excitations = nn.ModuleDict()
        for tier in list(self.map_sizes)[1:]:
            widths = (channels_at(tier // 2, width), channels_at(tier, width))
            grown = doubled(self.map_sizes[tier // 2])
            if num_classes:
                self.blocks[str(tier)] = ConditionalUpBlock(
                    *widths, label_dim=z_dim, size=grown, lite=lite
                )
            else:
                self.blocks[str(tier)] = up_block(*widths, size=grown, lite=lite)
            if tier in _EXCITED:
                small = channels_at(tier // 16, width)
                self.excitations[str(tier)] = SkipExcitation(small, widths[1])
        last = channels_at(max(self.map_sizes), width)
        self.to_image = SpectralNormConv2d(last, channels, 3, padding=1, bias=True)

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, Z) -> (B, C, H, W), about [-1, 1], unbounded.

        c: (B,) class indices in [0, num_classes), if it has classes.
        """
        require_labels(c, num_classes=self.num_classes, batch=len(z))
        # What a block gets beside the map: nothing, or the embedded class (B, Z).
        label = () if c is None or self.embed is None else (self.embed(c),)
        z = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        x = self.start(z)
        maps = {FIRST_TIER: x}  # the small maps that later gates read, by tier
        for name, block in self.blocks.items():
            tier = int(name)
            x = cropped(block(x, *label), self.map_sizes[tier])
            if name in self.excitations:
                # The gated map is what the next block gets, too.
                x = self.excitations[name](maps[tier // 16], x)
            if str(tier * 16) in self.excitations:
                maps[tier] = x
        image: Tensor = self.to_image(x)
        return image

    def stages(self) -> list[list[nn.Parameter]]:
        """The 4 px block, then block by block to the resolution, each with its excitation."""
        stages = [list(self.start.parameters())]
        for name, block in self.blocks.items():
            gate = self.excitations[name].parameters() if name in self.excitations else ()
            stages.append([*block.parameters(), *gate])
        return stages

    def segments(self) -> list[nn.Module]:
        """All blocks but the first, whose map has 4 px."""
        return list(self.blocks.values())


# Two convolutions a block, with noise; and one convolution, without: better for few pictures.
register("fastgan")(partial(FastGAN, lite=False))
register("fastgan-lite")(partial(FastGAN, lite=True))
