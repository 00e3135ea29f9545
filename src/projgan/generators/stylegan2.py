"""StyleGAN2's generator in plain PyTorch: latents to styles, styles to images.

Source: StyleGAN2 (Karras et al., 2020) in the form of Projected GANs (Sauer et al., 2021): short
latents, two mapping layers, no style mixing and no path length regularisation in training.
"""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.errors import UsageError
from projgan.generators.base import StyleGenerator, register
from projgan.generators.pyramid import Size, map_sizes, settle_size
from projgan.generators.stylegan2_synthesis import Synthesis
from projgan.layers.activation import scaled_leaky_relu
from projgan.layers.equalized import EqualizedLinear
from projgan.layers.labels import require_labels

RESOLUTIONS = (8, 16, 32, 64, 128, 256, 512, 1024)
MAPPING_LR_MULTIPLIER = 0.01


def normalize(z: Tensor) -> Tensor:
    """(B, Z) -> (B, Z) with mean square 1 in each row."""
    return z * torch.rsqrt(z.square().mean(dim=1, keepdim=True) + 1e-8)


class Mapping(nn.Module):
    """Latents to styles: normalised, then fully connected layers that learn slowly.

    A class, if there are any, is embedded with the length of a style, normalised like a latent, and
    put behind it.
    """

    def __init__(self, z_dim: int, w_dim: int, num_layers: int, *, num_classes: int = 0) -> None:
        super().__init__()
        self.num_classes = num_classes
        self.embed = EqualizedLinear(num_classes, w_dim) if num_classes else None
        widths = [z_dim + (w_dim if num_classes else 0), *[w_dim] * num_layers]
        self.layers = nn.ModuleList(
            EqualizedLinear(before, after, lr_multiplier=MAPPING_LR_MULTIPLIER)
            for before, after in zip(widths, widths[1:], strict=False)
        )

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, z_dim) and, with classes, (B,) -> (B, w_dim), float32."""
        require_labels(c, num_classes=self.num_classes, batch=len(z))
        w = normalize(z)
        if c is not None and self.embed is not None:
            one_hot = F.one_hot(c, self.num_classes).to(z.dtype)
            w = torch.cat([w, normalize(self.embed(one_hot))], dim=1)
        for layer in self.layers:
            w = scaled_leaky_relu(layer(w))
        return w


class StyleGAN2(StyleGenerator):
    """The StyleGAN2 generator with image skips.

    Scaling a latent changes nothing. Noise is fresh in evaluation too (see
    `layers.noise.set_noise_mode`). Defaults are the settings of Projected GANs.

    Args:
        z_dim: length of a latent.
        resolution: side of square pictures: a power of two from 8 to 1024.
        w_dim: length of a style.
        mapping_layers: of the network from latents to styles.
        channel_base: channels times resolution, where `channel_max` does not cut.
        channel_max: most channels of a layer.
        num_classes: labels choose between so many; 0: it takes none. They enter by the mapping
            alone, and there is one mean style for all of them.
        size: height and width of pictures that are not square, multiples of 32 up to 1024.
        channels: of the pictures.
    Raises: UsageError: for a size that is not offered.
    """

    # Deviation: the reference moves w_avg in the heads' turn only. Here every training forward
    # does: a shared step has one pass for both turns, and alternating steps move it twice.

    def __init__(
        self,
        *,
        z_dim: int = 64,
        resolution: int = 256,
        w_dim: int = 128,
        mapping_layers: int = 2,
        channel_base: int = 32768,
        channel_max: int = 512,
        num_classes: int = 0,
        size: Size | None = None,
        channels: int = 3,
    ) -> None:
        size = settle_size("StyleGAN2", resolution, size, RESOLUTIONS)
        sizes = map_sizes(size)
        if channel_base < max(sizes):
            raise UsageError(f"a channel base of {channel_base} leaves no channel at {max(sizes)}")
        if mapping_layers < 1:
            raise UsageError("StyleGAN2 needs at least 1 mapping layer")
        super().__init__(
            z_dim=z_dim,
            resolution=max(size),
            w_dim=w_dim,
            num_styles=2 * len(sizes),
            num_classes=num_classes,
            size=size,
            channels=channels,
        )
        self.mapping = Mapping(z_dim, w_dim, mapping_layers, num_classes=num_classes)
        widths = {tier: min(channel_base // tier, channel_max) for tier in sizes}
        self.synthesis = Synthesis(widths, sizes, w_dim=w_dim, image_channels=channels)

    def styles(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, z_dim) and, with classes, (B,) -> (B, num_styles, w_dim): all rows are equal."""
        w: Tensor = self.mapping(z, c)
        if self.training:
            self.track(w)
        return w[:, None].expand(-1, self.num_styles, -1)

    def synthesize(self, styles_w: Tensor) -> Tensor:
        """(B, num_styles, w_dim) -> (B, channels, H, W), about [-1, 1], unbounded."""
        image: Tensor = self.synthesis(styles_w)
        return image

    def stages(self) -> list[list[nn.Parameter]]:
        """The mapping, then block by block from 4 px up to half the resolution."""
        blocks = [list(block.parameters()) for block in self.synthesis.blocks.values()]
        first = [self.synthesis.start, *blocks[0]]
        return [list(self.mapping.parameters()), first, *blocks[1:-1]]

    def segments(self) -> list[nn.Module]:
        """The blocks of the synthesis."""
        return list(self.synthesis.blocks.values())


@register("stylegan2")
def build_stylegan2(
    *,
    z_dim: int,
    resolution: int,
    width: int,
    num_classes: int = 0,
    size: Size | None = None,
    channels: int = 3,
    w_dim: int = 128,
    mapping_layers: int = 2,
) -> StyleGAN2:
    """StyleGAN2 by its channels at 128 px; 256 gives the reference's network.

    Channels double with every halving of the resolution up to 4 times `width`, but never above the
    reference's 512. Styles have 128 entries, and the mapping has two layers, unless told otherwise.
    """
    if width < 8:
        raise UsageError(f"StyleGAN2 width {width} is too small; use at least 8")
    return StyleGAN2(
        z_dim=z_dim,
        resolution=resolution,
        w_dim=w_dim,
        mapping_layers=mapping_layers,
        channel_base=128 * width,
        channel_max=min(4 * width, 512),
        num_classes=num_classes,
        size=size,
        channels=channels,
    )


# The larger mappings of the networks that were published with StyleGAN2 itself.
register("stylegan2-512")(partial(build_stylegan2, w_dim=512, mapping_layers=8))
register("stylegan2-512-map2")(partial(build_stylegan2, w_dim=512, mapping_layers=2))
