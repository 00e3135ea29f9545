"""What a picture measures and what a pixel holds, as a user writes it and as code reads it.

A resolution is one side of a square, 256, or "WIDTHxHEIGHT" of a rectangle, "256x192". The text
is for configs and file heads; everything else takes `size_of`, which is (height, width).
"""

from __future__ import annotations

import math
import re
from typing import Literal

from projgan.errors import UsageError

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)
"""Sides of squares."""
STEP = 32
"""Sides of rectangles are multiples of this, no larger than the largest square's."""
MAX_RATIO = 4
"""A rectangle's longer side by its shorter one, at most."""

Resolution = int | str
Mode = Literal["rgb", "grey", "rgba"]
CHANNELS: dict[str, int] = {"rgb": 3, "grey": 1, "rgba": 4}
"""Channels by mode."""

_TEXT = re.compile(r"([0-9]{1,6})(?:[xX]([0-9]{1,6}))?")


def settle_resolution(value: Resolution) -> Resolution:
    """The one way to write a resolution: an int for a square, "256x192" for a rectangle.

    Raises: UsageError: it is none, or one that is not offered.
    """
    if isinstance(value, int):
        return _settle_square(value)
    found = _TEXT.fullmatch(value.strip())
    if found is None:
        raise UsageError(
            f"resolution {value!r} is neither a number nor WIDTHxHEIGHT",
            where="setting data.resolution",
            next_command="use --resolution 256, or --resolution 256x192",
        )
    width, height = int(found[1]), int(found[2] or found[1])
    return _settle_square(width) if width == height else _settle_rectangle(width, height)


def size_of(resolution: Resolution) -> tuple[int, int]:
    """Height and width in pixels of a settled resolution."""
    if isinstance(resolution, int):
        return resolution, resolution
    width, height = resolution.split("x")
    return int(height), int(width)


def in_words(resolution: Resolution, mode: str) -> str:
    """Such as "64 px" or "96x64 px, rgba"; the mode is named if it is not the usual one."""
    return f"{resolution} px" if mode == "rgb" else f"{resolution} px, {mode}"


def _settle_square(side: int) -> int:
    if side not in RESOLUTIONS:
        nearest = _nearest_square(side)
        raise UsageError(
            f"resolution {side} is not one of {', '.join(map(str, RESOLUTIONS))}",
            where="setting data.resolution",
            next_command=f"use --resolution {nearest}",
        )
    return side


def _nearest_square(side: int) -> int:
    return min(RESOLUTIONS, key=lambda r: abs(math.log(r / max(side, 1))))


def _settle_rectangle(width: int, height: int) -> str:
    most = RESOLUTIONS[-1]
    good = [min(max(STEP, (side + STEP // 2) // STEP * STEP), most) for side in (width, height)]
    if good != [width, height]:
        is_square = good[0] == good[1]
        nearest = str(_nearest_square(good[0])) if is_square else f"{good[0]}x{good[1]}"
        raise UsageError(
            f"resolution {width}x{height}: sides must be multiples of {STEP} from {STEP} to {most}",
            where="setting data.resolution",
            next_command=f"use --resolution {nearest}",
        )
    if max(width, height) > MAX_RATIO * min(width, height):
        raise UsageError(
            f"resolution {width}x{height}: one side may be {MAX_RATIO} times the other, no more",
            where="setting data.resolution",
        )
    return f"{width}x{height}"
