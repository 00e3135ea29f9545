"""Settings of the pictures: which ones, and how they become what a network sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from projgan.config.checks import require
from projgan.errors import UsageError, choose_from

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)

Fit = Literal["crop", "pad", "squash"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures, and how they become squares."""

    path: str = ""
    """Folder, zip or prepared set."""
    resolution: int = 256
    """Side of the pictures in pixels: a power of two from 32 to 1024."""
    fit: Fit = "crop"
    """How a rectangle becomes a square: centre crop, pad with the background, or squash."""
    background: str = "#ffffff"
    """Colour (#rrggbb) under transparent pictures and around padded ones."""
    mirror: bool = False
    """Also show every picture mirrored, as if the set were twice as large."""
    dedupe: bool = False
    """Keep one of each group of exactly equal files."""
    max_bad: float = 0.01
    """Share (0 to 1) of unusable pictures above which preparing fails."""
    conditional: bool = False
    """Learn the classes of the pictures, so that samples can be asked for by class."""
    classes: tuple[str, ...] = ()
    """Names of the classes, in the order of their numbers; settled from the pictures."""

    def __post_init__(self) -> None:
        if self.resolution not in RESOLUTIONS:
            nearest = min(RESOLUTIONS, key=lambda r: abs(math.log(r / max(self.resolution, 1))))
            raise UsageError(
                f"resolution {self.resolution} is not one of {', '.join(map(str, RESOLUTIONS))}",
                where="setting data.resolution",
                next_command=f"use --resolution {nearest}",
            )
        if self.fit not in ("crop", "pad", "squash"):
            raise choose_from("fit", self.fit, ("crop", "pad", "squash"))
        is_colour = len(self.background) == 7 and self.background[0] == "#"
        is_colour = is_colour and all(c in "0123456789abcdefABCDEF" for c in self.background[1:])
        require(
            is_colour, "data.background", f"{self.background!r} is not a colour such as #ffffff"
        )
        require(0.0 <= self.max_bad <= 1.0, "data.max_bad", "must lie between 0 and 1")
        has_effect = self.conditional or not self.classes
        require(has_effect, "data.classes", "has no effect without data.conditional=true")
