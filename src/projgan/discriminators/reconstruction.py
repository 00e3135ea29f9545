"""Decoders that draw a real picture from what FastGAN's discriminator made of it, and their loss.

Source: FastGAN (Liu et al., 2021), section 3.2, self-supervised discriminator.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.layers.glu import GLU
from projgan.layers.spectral_norm import SpectralNormConv2d
from projgan.layers.upsampling import UpsampleConv2d

MAP, WINDOW = 16, 8
"""Sides of the map from which a part is drawn, and of the window of it that the part is."""
LARGEST = 128
"""Most pixels a side that are drawn."""
NUM_CORNERS = MAP - WINDOW + 1
"""Places of the window along a side."""
NARROWEST = 8


class Decoder(nn.Module):
    """A map of 8 px to a picture: doublings with half of the channels each, then a convolution.

    Args:
        in_channels: of the map.
        size: side of the picture: 16, 32, 64 or 128 px.
        image_channels: of the picture.
    """

    def __init__(self, in_channels: int, size: int, image_channels: int = 3) -> None:
        super().__init__()
        self.up = nn.Sequential()
        channels, side = in_channels, WINDOW
        while side < size:
            narrower = max(channels // 2, NARROWEST)
            self.up.append(UpsampleConv2d(channels, 2 * narrower))
            self.up.append(nn.BatchNorm2d(2 * narrower))
            self.up.append(GLU())
            channels, side = narrower, 2 * side
        self.to_image = SpectralNormConv2d(channels, image_channels, 3, padding=1, bias=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, in_channels, 8, 8) -> (B, image_channels, size, size) in (-1, 1)."""
        return torch.tanh(self.to_image(self.up(x)))


class Reconstruction(nn.Module):
    """Draws the whole picture from the 8 px map and a part from the 16 px map; gives the loss.

    Args:
        resolution: of the pictures; a multiple of 16.
        channels_16, channels_8: of the two maps.
        image_channels: of the pictures.
    """

    # Deviation: the paper compares by LPIPS, which is a network trained on ImageNet. A
    # discriminator trained from pixels has none, so here it is the mean absolute difference.
    # Deviation: the paper's part is an eighth of the sides; here it is half, which the decoder
    # draws in as many doublings as the whole has, or one less.

    def __init__(
        self, *, resolution: int, channels_16: int, channels_8: int, image_channels: int = 3
    ) -> None:
        super().__init__()
        self.whole = Decoder(channels_8, min(resolution, LARGEST), image_channels)
        self.part = Decoder(channels_16, min(resolution // 2, LARGEST), image_channels)

    def forward(
        self, map_16: Tensor, map_8: Tensor, images: Tensor, corner: tuple[int, int]
    ) -> Tensor:
        """What is lost of the pictures: scalar, float32, >= 0.

        Args:
            map_16, map_8: (B, C, 16, 16) and (B, C', 8, 8), made of the pictures.
            images: (B, image_channels, R, R) in [-1, 1].
            corner: row and column, each 0 to 8, where the part's window begins in map_16.
        """
        row, column = corner
        assert 0 <= row < NUM_CORNERS and 0 <= column < NUM_CORNERS, f"no window at {corner}"
        # Not a slice, whose gradient leaves channels_last.
        right, bottom = MAP - WINDOW - column, MAP - WINDOW - row
        window = F.pad(map_16, (-column, -right, -row, -bottom))
        pixels = images.shape[-1] // MAP
        top, left, side = row * pixels, column * pixels, WINDOW * pixels
        part = images[:, :, top : top + side, left : left + side]
        return _difference(self.whole(map_8), images) + _difference(self.part(window), part)


def _difference(drawn: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference, at the size of what was drawn."""
    seen = F.interpolate(images, size=drawn.shape[-2:], mode="area")
    return (drawn.to(torch.float32) - seen.to(torch.float32)).abs().mean()
