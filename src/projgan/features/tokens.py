"""A transformer's tokens as four maps: what gives a ViT the pyramid that it does not have.

Shape legend: B pictures; C channels of a token; h x w patches. Sizes for DeiT-S at 224 px:
patches of 16 px, so 14 x 14 of them, and C = 384. The tokens after each of the four tapped blocks
(without class and register tokens) lie as a map; a random 1x1 convolution, then one that changes
the size, make them:

    l   tokens                mixed                 resized
    0   (B, 384, 14, 14)  ->  (B,  48, 14, 14)  ->  (B,  48, 56, 56)   transposed, 4x4, stride 4
    1   (B, 384, 14, 14)  ->  (B,  96, 14, 14)  ->  (B,  96, 28, 28)   transposed, 2x2, stride 2
    2   (B, 384, 14, 14)  ->  (B, 192, 14, 14)  ->  (B, 192, 14, 14)   as it is
    3   (B, 384, 14, 14)  ->  (B, 384, 14, 14)  ->  (B, 384,  7,  7)   3x3, stride 2

All of these convolutions are random and frozen, so a transformer has one more layer of random
projection than a pyramid.

Source: the follow-up of Projected GANs (Sauer et al., 2021), its transformers.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.features.frozen import FrozenModule
from projgan.features.random_weights import draw_default

_LARGE = {1024: (256, 512, 1024, 1024)}


def widths_of(width: int) -> tuple[int, ...]:
    """Channels of the four maps from tokens of `width` channels.

    An eighth, a quarter, a half and all of it: 24 to 192 for tiny, 48 to 384 for small, 96 to 768
    for base. Large (1024) is an exception of the source's.
    """
    return _LARGE.get(width, (width // 8, width // 4, width // 2, width))


class TokenMaps(FrozenModule):
    """Four maps of tokens, all of one size, in; four maps of strides p/4, p/2, p and 2p out.

    Args:
        width: channels of the tokens, C.
        stream: of the random weights.
    """

    def __init__(self, width: int, stream: torch.Generator) -> None:
        super().__init__()
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            widths = widths_of(width)
            self.mix = nn.ModuleList(nn.Conv2d(width, out, 1) for out in widths)
            self.resize = nn.ModuleList(
                [
                    nn.ConvTranspose2d(widths[0], widths[0], 4, stride=4),
                    nn.ConvTranspose2d(widths[1], widths[1], 2, stride=2),
                    nn.Identity(),
                    nn.Conv2d(widths[3], widths[3], 3, stride=2, padding=1),
                ]
            )
        for layer in (*self.mix, *self.resize):
            if isinstance(layer, (nn.Conv2d, nn.ConvTranspose2d)):
                draw_default(layer, stream)
        self._freeze()

    def forward(self, tokens: Sequence[Tensor]) -> list[Tensor]:
        """Four (B, C, h, w), h and w even -> four maps, the finest first."""
        return [
            resize(mix(x)) for x, mix, resize in zip(tokens, self.mix, self.resize, strict=True)
        ]


def resize_positions(positions: Tensor, old: int, new: int) -> Tensor:
    """Position embeddings of an `old` x `old` grid of patches for a `new` x `new` one.

    Args:
        positions: (1, N, C): those of class and register tokens, if it has any, then the grid's.
    Returns: (1, N - old^2 + new^2, C), the grid resized bilinearly (half-pixel centres).
    """
    prefix, grid = positions.split([positions.shape[1] - old * old, old * old], dim=1)
    grid = grid.transpose(1, 2).unflatten(2, (old, old))  # (1, C, old, old)
    grid = F.interpolate(grid, size=(new, new), mode="bilinear", align_corners=False)
    return torch.cat([prefix, grid.flatten(2).transpose(1, 2)], dim=1)
