"""Settings of the pictures: which ones, and how they become what a network sees."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from projgan.config.checks import require
from projgan.config.shapes import (
    CHANNELS,
    Mode,
    Resolution,
    in_words,
    settle_resolution,
    size_of,
)
from projgan.errors import choose_from

Fit = Literal["crop", "pad", "squash"]


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures, and how they become what a network sees."""

    path: str = ""
    """Folder, zip or prepared set."""
    resolution: Resolution = 256
    """Side of square pictures in pixels, a power of two from 32 to 1024; or "WIDTHxHEIGHT" such as
    256x192, multiples of 32 up to 1024, of which one is at most 4 times the other."""
    mode: Mode = "rgb"
    """Colours; grey: one channel; rgba: colours and transparency, which are both learned."""
    fit: Fit = "crop"
    """How a picture of another shape gets this one: centre crop, pad with the background (rgba:
    with nothing), or squash."""
    background: str = "#ffffff"
    """Colour (#rrggbb) under transparent pictures and around padded ones; not used by rgba."""
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
        # One spelling of each: "64x64" is 64, wherever a config is compared or saved.
        object.__setattr__(self, "resolution", settle_resolution(self.resolution))
        if self.mode not in CHANNELS:
            raise choose_from("mode", self.mode, tuple(CHANNELS))
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

    @property
    def size(self) -> tuple[int, int]:
        """Height and width of the pictures, in pixels."""
        return size_of(self.resolution)

    @property
    def channels(self) -> int:
        """Channels of a picture: 3, 1 or 4."""
        return CHANNELS[self.mode]

    @property
    def is_square(self) -> bool:
        """Whether height and width are equal."""
        return isinstance(self.resolution, int)

    @property
    def description(self) -> str:
        """Size and mode in words, such as "64 px" or "96x64 px, rgba"."""
        return in_words(self.resolution, self.mode)
