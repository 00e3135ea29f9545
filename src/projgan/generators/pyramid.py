"""How a generator grows: the size of its map at each tier, from the smallest to the picture.

A tier is what the side would be in a square network: 4, 8, 16 and so on. Layers have their
channels by it, and state dicts their names. Pictures that are no squares are halved, rounding up,
while their smaller side keeps at least 3 positions; what is left is the map of tier 4, and has
about their ratio:

    256x192   4: 3x4    8: 6x8    ...    128: 96x128     256: 192x256      (height x width)
     96x64    4: 4x6    8: 8x12   16: 16x24  32: 32x48    64: 64x96
    640x480   4: 4x5    8: 8x10   16: 15x20  ...         512: 480x640

Where a side was rounded up (480 = 128 * 3.75), twice the smaller map has one row or column too
many, and `cropped` takes it off.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from projgan.errors import UsageError

Size = tuple[int, int]
"""Height and width."""

FIRST_TIER = 4
_LEAST = 3
_STEP = 32
"""Sides of pictures that are no squares are multiples of this."""


def map_sizes(size: Size) -> dict[int, Size]:
    """Tier -> size of the map, from 4 up to the picture's `size`."""
    halvings = 0
    while -(-min(size) >> halvings + 1) >= _LEAST:
        halvings += 1
    return {
        FIRST_TIER << level: (-(-size[0] >> below), -(-size[1] >> below))
        for level, below in enumerate(range(halvings, -1, -1))
    }


def doubled(size: Size) -> Size:
    """The size after upsampling by 2, before `cropped`."""
    return 2 * size[0], 2 * size[1]


def cropped(x: Tensor, size: Size) -> Tensor:
    """(B, C, h, w) -> (B, C, *size) without its last row and column, if they are too many."""
    if x.shape[2:] == size:
        return x
    # Not a slice, whose gradient leaves channels_last.
    return F.pad(x, (0, size[1] - x.shape[3], 0, size[0] - x.shape[2]))


def settle_size(name: str, resolution: int, size: Size | None, squares: tuple[int, ...]) -> Size:
    """The size of the pictures of a generator that makes squares of some sides, and rectangles.

    Raises: UsageError: it is not offered.
    """
    height, width = size or (resolution, resolution)
    if height == width:
        if height not in squares:
            known = ", ".join(map(str, squares))
            raise UsageError(f"{name} has no resolution {height}; choose from {known}")
    elif height % _STEP or width % _STEP or min(height, width) < _STEP or max(height, width) > 1024:
        raise UsageError(
            f"{name} has no size {width}x{height}; sides are multiples of {_STEP} up to 1024"
        )
    return height, width
