"""StyleGAN2's discriminator: trained from pixels, residual, filtered halvings, equalised layers.

The way of a batch (B pictures of R px, C channels by size):

    images (B, 3, R, R)
      |  1x1 convolution                                        (B, C_R, R, R)
      |  residual halvings                                      (B, C_4, 4, 4)
      |  minibatch standard deviation, 3x3 convolution          (B, C_4, 4, 4)
      |  two fully connected layers
    logits (B, 1)

There is no normalisation: equalised learning rates and the R1 penalty keep it in check.

Source: StyleGAN2 (Karras et al., 2020), appendix B and figure 7.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from projgan.discriminators.base import Discriminator
from projgan.errors import UsageError
from projgan.layers.activation import scaled_leaky_relu
from projgan.layers.class_projection import ClassProjection
from projgan.layers.equalized import EqualizedConv2d, EqualizedLinear
from projgan.layers.labels import require_labels
from projgan.layers.minibatch_std import GROUP, MinibatchStd

RESOLUTIONS = (8, 16, 32, 64, 128, 256, 512, 1024)
LAST_SIZE = 4


class ResidualBlock(nn.Module):
    """Half the size: two 3x3 convolutions, beside a 1x1 one."""

    def __init__(self, channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = EqualizedConv2d(channels, channels, 3)
        self.down = EqualizedConv2d(channels, out_channels, 3, downsample=True)
        self.skip = EqualizedConv2d(channels, out_channels, 1, bias=False, downsample=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H / 2, W / 2)."""
        residual = scaled_leaky_relu(self.down(scaled_leaky_relu(self.conv(x))))
        # Two summands of one size: the factor keeps the size of their sum.
        total: Tensor = (residual + self.skip(x)) * math.sqrt(0.5)
        return total


class StyleGAN2Discriminator(Discriminator):
    """Judges a picture as a whole, in the company of the batch.

    Args:
        resolution: a power of two from 8 to 1024.
        channel_base: channels times resolution, where `channel_max` does not cut.
        channel_max: most channels of a layer.
        channels: of the pictures.
        num_classes: 0, or how many classes; pictures then need labels. How well a picture fits its
            class is added to its logit.
        group: samples that the minibatch standard deviation compares.
    Raises: UsageError: for a size that is not offered.
    """

    # Deviation: classes act by a learned vector each; in StyleGAN2-ADA by a mapping network whose
    # result takes the place of the last layer.

    def __init__(
        self,
        *,
        resolution: int = 256,
        channel_base: int = 16384,
        channel_max: int = 512,
        channels: int = 3,
        num_classes: int = 0,
        group: int = GROUP,
    ) -> None:
        super().__init__()
        if resolution not in RESOLUTIONS:
            known = ", ".join(map(str, RESOLUTIONS))
            raise UsageError(
                f"StyleGAN2's discriminator has no resolution {resolution}; choose from {known}"
            )
        if channel_base < resolution:
            raise UsageError(f"a channel base of {channel_base} leaves no channel at {resolution}")
        sizes = [size for size in reversed(RESOLUTIONS) if size <= resolution]
        widths = [min(channel_base // size, channel_max) for size in (*sizes, LAST_SIZE)]
        self.from_image = EqualizedConv2d(channels, widths[0], 1)
        self.blocks = nn.Sequential(
            *(ResidualBlock(wide, next_) for wide, next_ in zip(widths, widths[1:], strict=False))
        )
        last = widths[-1]
        self.spread = MinibatchStd(group=group)
        self.conv = EqualizedConv2d(last + 1, last, 3)
        self.hidden = EqualizedLinear(last * LAST_SIZE**2, last)
        self.logit = EqualizedLinear(last, 1)
        self.num_classes = num_classes
        self.classes = ClassProjection(num_classes, last) if num_classes else None

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, channels, R, R) in [-1, 1] -> (B, 1) raw logits, float32.

        Args:
            c: (B,) class indices; only with classes, and then needed.
        """
        require_labels(c, num_classes=self.num_classes, batch=len(images))
        x = self.blocks(scaled_leaky_relu(self.from_image(images)))
        # float32 from here on, as in the reference: it is little work, and the verdict hangs on it.
        with torch.autocast(x.device.type, enabled=False):
            x = self.spread(x.to(self.conv.weight.dtype))
            x = scaled_leaky_relu(self.conv(x))
            features = scaled_leaky_relu(self.hidden(x.flatten(1)))
            logit: Tensor = self.logit(features)
        if self.classes is not None and c is not None:
            logit = logit + self.classes(features, c)
        return logit


def channels_by_width(width: int) -> tuple[int, int]:
    """`channel_base` and `channel_max` of a discriminator with `width` channels at 128 px.

    Channels double with every halving of the size up to 4 times `width`, but never above 512: the
    same as the generator of that width.
    """
    return 128 * width, min(4 * width, 512)
