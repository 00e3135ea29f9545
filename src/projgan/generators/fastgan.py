"""FastGAN and FastGAN-lite: a plain stack of upsampling blocks with skip-layer excitation.

Shapes: B batch, Z z_dim, R resolution; channels at a resolution r are `channels_at(r, width)`.

Source: FastGAN (Liu et al., 2021) in the form of Projected GANs (Sauer et al., 2021): one output
size, no tanh, spectral norm in every convolution. The lite form halves the convolutions and has no
noise.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from projgan.errors import UsageError
from projgan.generators.base import Generator, register
from projgan.generators.fastgan_conditional import ConditionalUpBlock
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
"""Channels at each resolution, as multiples of `width`."""

_EXCITED = (64, 128, 256, 512)
"""Resolutions gated by the map 16 times smaller. The reference leaves 1024 px ungated."""


def channels_at(resolution: int, width: int) -> int:
    """Channels of the feature map at `resolution` px."""
    return int(_WIDTHS[resolution] * width)


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
    """From normalised latents to the first map."""

    def __init__(self, z_dim: int, channels: int) -> None:
        super().__init__()
        self.conv = SpectralNormConvTranspose2d(z_dim, 2 * channels, 4)
        self.norm = nn.BatchNorm2d(2 * channels)
        self.glu = GLU()

    def forward(self, z: Tensor) -> Tensor:
        """(B, Z) -> (B, channels, 4, 4)."""
        out: Tensor = self.glu(self.norm(self.conv(z[:, :, None, None])))
        return out


def up_block(in_channels: int, channels: int, *, resolution: int, lite: bool) -> nn.Sequential:
    """A block to twice the size: one stage (lite), or two with noise (full).

    (B, in_channels, R/2, R/2) -> (B, channels, R, R), where R is `resolution`.
    """
    up = UpsampleConv2d(in_channels, 2 * channels)
    if lite:
        return nn.Sequential(ConvStage(up, channels))
    conv = SpectralNormConv2d(channels, 2 * channels, 3, padding=1)
    return nn.Sequential(
        ConvStage(up, channels, noise=NoiseInjection(resolution, layer=0)),
        ConvStage(conv, channels, noise=NoiseInjection(resolution, layer=1)),
    )


class FastGAN(Generator):
    """The FastGAN generator.

    Latents are normalised to mean square 1: scaling one changes nothing. Full FastGAN draws fresh
    noise in evaluation too (see `layers.noise.set_noise_mode`); lite is a function of z alone.

    Args:
        z_dim: length of a latent.
        resolution: 32, 64, 128, 256, 512 or 1024.
        width: channels at 128 px (ngf), at least 8. The paper's networks have 128.
        lite: one convolution a block instead of two, and no noise.
        num_classes: labels choose between so many; 0: it takes none. A label is embedded once, with
            the length of a latent, and enters by the batch norms of all blocks; the start and the
            excitations know nothing of it.
    Raises: UsageError: for a resolution or width that is not offered.
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
    ) -> None:
        super().__init__(z_dim=z_dim, resolution=resolution, num_classes=num_classes)
        if resolution not in RESOLUTIONS:
            known = ", ".join(map(str, RESOLUTIONS))
            raise UsageError(f"FastGAN has no resolution {resolution}; choose from {known}")
        if width < 8:
            # An eighth of the width is left at 1024 px.
            raise UsageError(f"FastGAN width {width} is too small; use at least 8")
        self.embed = nn.Embedding(num_classes, z_dim) if num_classes else None
        self.start = StartBlock(z_dim, channels_at(4, width))
        self.blocks = nn.ModuleDict()
        self.excitations = nn.ModuleDict()
        size = 8
        while size <= resolution:
            sizes = (channels_at(size // 2, width), channels_at(size, width))
            if num_classes:
                self.blocks[str(size)] = ConditionalUpBlock(
                    *sizes, label_dim=z_dim, resolution=size, lite=lite
                )
            else:
                self.blocks[str(size)] = up_block(*sizes, resolution=size, lite=lite)
            if size in _EXCITED:
                small = channels_at(size // 16, width)
                self.excitations[str(size)] = SkipExcitation(small, sizes[1])
            size *= 2
        self.to_image = SpectralNormConv2d(
            channels_at(resolution, width), 3, 3, padding=1, bias=True
        )

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, Z) -> (B, 3, R, R), about [-1, 1], unbounded.

        c: (B,) class indices in [0, num_classes), if it has classes.
        """
        require_labels(c, num_classes=self.num_classes, batch=len(z))
        # What a block gets beside the map: nothing, or the embedded class (B, Z).
        label = () if c is None or self.embed is None else (self.embed(c),)
        z = z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)
        x = self.start(z)
        maps = {4: x}  # the small maps that later gates read, by resolution
        for name, block in self.blocks.items():
            size = int(name)
            x = block(x, *label)
            if name in self.excitations:
                # The gated map is what the next block gets, too.
                x = self.excitations[name](maps[size // 16], x)
            if str(size * 16) in self.excitations:
                maps[size] = x
        image: Tensor = self.to_image(x)
        return image


@register("fastgan")
def build_fastgan(*, z_dim: int, resolution: int, width: int, num_classes: int = 0) -> FastGAN:
    """The full generator: two convolutions a block, with noise."""
    return FastGAN(
        z_dim=z_dim, resolution=resolution, width=width, lite=False, num_classes=num_classes
    )


@register("fastgan-lite")
def build_fastgan_lite(*, z_dim: int, resolution: int, width: int, num_classes: int = 0) -> FastGAN:
    """The lite generator: one convolution a block, no noise; the better choice for few pictures."""
    return FastGAN(
        z_dim=z_dim, resolution=resolution, width=width, lite=True, num_classes=num_classes
    )
