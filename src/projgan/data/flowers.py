"""What a drawn flower is: its parts, measures and colours, drawn from a random stream.

Lengths are in units of the picture's side and angles in radians, so a `Flower` knows no pixels: one
flower is the same picture at every size. `data.painting` puts it on a canvas; nothing here draws.

Five kinds share one build (a head seen from the front, a stem, leaves, a hill), so that a small
generator soon learns the build and has the kinds, colours and poses left to vary.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

Colour = tuple[int, int, int]
Tone = tuple[float, float, float]
"""OKLCH: lightness 0 to 1, chroma about 0 to 0.3, hue in degrees. Equal steps look equal."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """The ranges within which flowers of one kind vary. Pairs are (least, most)."""

    petals: tuple[int, int]
    layers: tuple[int, int]
    breadth: tuple[float, float]
    """Half width of a petal; at 1, neighbours just touch where they are widest."""
    point: tuple[float, float]
    """0: a round tip; 1: a pointed one."""
    notch: tuple[float, float]
    """Depth of the dent in a heart-shaped tip, as a share of the petal's length."""
    disc: tuple[float, float]
    """Radius of the centre as a share of the head's."""
    stamens: bool
    """A ring of dots around the disc instead of seeds on it."""


KINDS = {
    "daisy": Kind(
        petals=(8, 10), layers=(1, 1), breadth=(0.80, 0.98), point=(0.0, 0.25), notch=(0.0, 0.0),
        disc=(0.30, 0.37), stamens=False,
    ),
    "cosmos": Kind(
        petals=(6, 8), layers=(1, 1), breadth=(1.0, 1.2), point=(0.0, 0.2), notch=(0.02, 0.07),
        disc=(0.20, 0.26), stamens=True,
    ),
    "primrose": Kind(
        petals=(5, 5), layers=(1, 1), breadth=(0.92, 1.08), point=(0.0, 0.1), notch=(0.10, 0.17),
        disc=(0.17, 0.24), stamens=False,
    ),
    "star": Kind(
        petals=(5, 6), layers=(1, 1), breadth=(0.72, 0.9), point=(0.75, 1.0), notch=(0.0, 0.0),
        disc=(0.16, 0.22), stamens=True,
    ),
    "dahlia": Kind(
        petals=(7, 9), layers=(2, 2), breadth=(0.88, 1.05), point=(0.35, 0.75), notch=(0.0, 0.0),
        disc=(0.19, 0.25), stamens=False,
    ),
}  # fmt: skip

# Outer tone, inner tone and disc of the petals: picked by eye to go together.
PETAL_SCHEMES: tuple[tuple[Tone, Tone, Tone], ...] = (
    ((0.72, 0.17, 18), (0.56, 0.20, 12), (0.84, 0.15, 85)),  # coral
    ((0.76, 0.14, 355), (0.60, 0.21, 358), (0.86, 0.15, 90)),  # rose
    ((0.88, 0.07, 0), (0.70, 0.17, 5), (0.84, 0.15, 85)),  # blush
    ((0.66, 0.21, 30), (0.52, 0.20, 25), (0.32, 0.06, 330)),  # poppy, dark centre
    ((0.62, 0.20, 335), (0.46, 0.19, 340), (0.87, 0.15, 95)),  # magenta
    ((0.66, 0.16, 300), (0.48, 0.19, 295), (0.88, 0.15, 95)),  # violet
    ((0.84, 0.08, 305), (0.62, 0.16, 300), (0.86, 0.15, 90)),  # lilac
    ((0.66, 0.14, 262), (0.50, 0.18, 270), (0.90, 0.13, 95)),  # cornflower
    ((0.83, 0.08, 245), (0.64, 0.14, 255), (0.88, 0.15, 90)),  # sky
    ((0.88, 0.15, 92), (0.76, 0.17, 65), (0.42, 0.08, 50)),  # sunflower
    ((0.92, 0.12, 98), (0.82, 0.17, 82), (0.66, 0.17, 50)),  # butter
    ((0.78, 0.16, 58), (0.64, 0.20, 38), (0.38, 0.08, 30)),  # orange
    ((0.83, 0.11, 48), (0.68, 0.18, 25), (0.88, 0.14, 90)),  # apricot
    ((0.99, 0.01, 95), (0.93, 0.05, 95), (0.83, 0.16, 82)),  # white
    ((0.97, 0.03, 85), (0.85, 0.12, 15), (0.70, 0.17, 45)),  # cream with a pink heart
)

# Lower and upper sky. Pale ones come often; the two deep ones make the others glow.
SKIES: tuple[tuple[Tone, Tone], ...] = (
    ((0.95, 0.025, 95), (0.88, 0.045, 220)),  # morning blue
    ((0.96, 0.03, 80), (0.90, 0.05, 60)),  # peach
    ((0.95, 0.03, 150), (0.88, 0.05, 170)),  # mint
    ((0.95, 0.02, 330), (0.88, 0.045, 300)),  # lavender
    ((0.96, 0.04, 95), (0.92, 0.06, 95)),  # straw
    ((0.86, 0.05, 190), (0.73, 0.08, 210)),  # teal
    ((0.84, 0.06, 265), (0.70, 0.10, 270)),  # periwinkle
    ((0.52, 0.08, 220), (0.36, 0.08, 250)),  # dusk blue
    ((0.50, 0.09, 320), (0.34, 0.08, 295)),  # dusk plum
)
CONTRAST = 0.11
"""Least distance between petals and the middle of their sky, in OKLab."""


@dataclass(frozen=True, kw_only=True)
class Leaf:
    """One leaf."""

    place: float
    """Where it grows: 0 at the foot of the stem, 1 at the head."""
    side: int
    """-1: left; 1: right."""
    length: float
    rise: float
    """Angle above the horizontal."""


@dataclass(frozen=True, kw_only=True)
class Flower:
    """One picture, fully decided."""

    kind: str
    petals: int
    layers: int
    breadth: float
    point: float
    notch: float
    disc: float
    stamens: bool
    centre: tuple[float, float]
    radius: float
    turn: float
    squash: float
    """Height of the head over its width: a slight nod towards the viewer."""
    foot: float
    """Where the stem meets the lower edge."""
    bend: float
    leaves: tuple[Leaf, ...]
    hill: tuple[float, float]
    """Height of the hill at the left and at the right edge."""
    outer: Tone
    inner: Tone
    disc_tone: Tone
    green: Tone
    sky_low: Tone
    sky_high: Tone
    hill_tone: Tone


def grow(rng: np.random.Generator) -> Flower:
    """The next flower of a random stream."""
    kind_name = list(KINDS)[rng.integers(len(KINDS))]
    kind = KINDS[kind_name]
    outer, inner, disc_tone = PETAL_SCHEMES[rng.integers(len(PETAL_SCHEMES))]
    hue_shift = rng.uniform(-7, 7)
    sky_low, sky_high = _sky_for(outer, rng)
    green = (rng.uniform(0.50, 0.62), rng.uniform(0.10, 0.14), rng.uniform(128, 158))
    lean = rng.uniform(-1, 1)
    return Flower(
        kind=kind_name,
        petals=int(rng.integers(kind.petals[0], kind.petals[1] + 1)),
        layers=int(rng.integers(kind.layers[0], kind.layers[1] + 1)),
        breadth=rng.uniform(*kind.breadth),
        point=rng.uniform(*kind.point),
        notch=rng.uniform(*kind.notch),
        disc=rng.uniform(*kind.disc),
        stamens=kind.stamens,
        centre=(0.5 + 0.03 * lean, rng.uniform(0.385, 0.425)),
        radius=rng.uniform(0.295, 0.35),
        turn=rng.uniform(0, 2 * math.pi),
        squash=rng.uniform(0.90, 1.0),
        foot=0.5 - 0.06 * lean,
        bend=rng.uniform(-0.05, 0.05),
        leaves=_leaves(rng),
        hill=(rng.uniform(0.06, 0.15), rng.uniform(0.06, 0.15)),
        outer=shifted(outer, hue=hue_shift),
        inner=shifted(inner, hue=hue_shift),
        disc_tone=disc_tone,
        green=green if sky_high[0] > 0.6 else shifted(green, lightness=-0.06),
        sky_low=sky_low,
        sky_high=sky_high,
        hill_tone=_hill_tone(sky_low, rng),
    )


def _sky_for(petals: Tone, rng: np.random.Generator) -> tuple[Tone, Tone]:
    """A sky that the petals stand out from."""
    fitting = [
        (low, high)
        for low, high in SKIES
        if min(distance(petals, low), distance(petals, high)) > CONTRAST
    ]
    return fitting[rng.integers(len(fitting))]


def _hill_tone(sky_low: Tone, rng: np.random.Generator) -> Tone:
    """A green darker than the sky above it; bluer at dusk, where yellowish ones turn muddy."""
    lightness = sky_low[0] - rng.uniform(0.09, 0.15)
    hue = rng.uniform(125, 160) if lightness > 0.5 else rng.uniform(160, 185)
    return (lightness, rng.uniform(0.06, 0.09), hue)


def _leaves(rng: np.random.Generator) -> tuple[Leaf, ...]:
    """Two leaves, one a side, at unlike heights; they spread where the head leaves room."""
    first = int(rng.choice((-1, 1)))
    low, high = rng.uniform(0.10, 0.20), rng.uniform(0.27, 0.38)
    return (
        Leaf(place=low, side=first, length=rng.uniform(0.22, 0.28), rise=rng.uniform(0.35, 0.75)),
        Leaf(place=high, side=-first, length=rng.uniform(0.19, 0.25), rise=rng.uniform(0.30, 0.65)),
    )


def distance(a: Tone, b: Tone) -> float:
    """How different two tones look: their distance in OKLab; black and white are 1 apart."""
    return math.dist(_lab(a), _lab(b))


def _lab(tone: Tone) -> tuple[float, float, float]:
    lightness, chroma, hue = tone
    return (
        lightness,
        chroma * math.cos(math.radians(hue)),
        chroma * math.sin(math.radians(hue)),
    )


def shifted(tone: Tone, *, lightness: float = 0.0, chroma: float = 0.0, hue: float = 0.0) -> Tone:
    """`tone` moved by the given amounts, lightness and chroma kept in range."""
    return (
        min(max(tone[0] + lightness, 0.0), 1.0),
        max(tone[1] + chroma, 0.0),
        (tone[2] + hue) % 360,
    )


def to_rgb(tone: Tone) -> Colour:
    """OKLCH -> sRGB in 0 to 255, clipped to what a screen can show.

    Source: Björn Ottosson, "A perceptual color space for image processing" (2020).
    """
    lightness, a, b = _lab(tone)
    long = (lightness + 0.3963377774 * a + 0.2158037573 * b) ** 3
    medium = (lightness - 0.1055613458 * a - 0.0638541728 * b) ** 3
    short = (lightness - 0.0894841775 * a - 1.2914855480 * b) ** 3
    return (
        _encode(4.0767416621 * long - 3.3077115913 * medium + 0.2309699292 * short),
        _encode(-1.2684380046 * long + 2.6097574011 * medium - 0.3413193965 * short),
        _encode(-0.0041960863 * long - 0.7034186147 * medium + 1.7076147010 * short),
    )


def _encode(linear: float) -> int:
    """One linear-light channel -> its sRGB byte."""
    linear = min(max(linear, 0.0), 1.0)
    encoded = 12.92 * linear if linear <= 0.0031308 else 1.055 * linear ** (1 / 2.4) - 0.055
    return round(255 * encoded)
