"""Paints a `Flower`: back to front, four times too large, then scaled down for clean edges."""

from __future__ import annotations

import math

import numpy as np
from PIL import Image, ImageDraw, ImageOps

from projgan.data.flowers import Colour, Flower, Leaf, Tone, shifted, to_rgb

SUPERSAMPLING = 4
LIGHT_ANGLE = math.radians(-125)
"""Direction towards the light: up and a little to the left (y points down)."""

Points = np.ndarray
"""(N, 2) x and y in units of the picture's side."""


def paint(flower: Flower, size: int, *, transparent: bool = False) -> Image.Image:
    """The picture of `flower`, `size` x `size` pixels, RGB; or RGBA, without what is behind it."""
    canvas = Canvas(size * SUPERSAMPLING)
    if not transparent:
        _paint_background(canvas, flower)
    _paint_stem(canvas, flower)
    for leaf in flower.leaves:
        _paint_leaf(canvas, flower, leaf)
    _paint_head(canvas, flower)
    _paint_centre(canvas, flower)
    if transparent:
        canvas.image.putalpha(canvas.covered)
    # Pillow weighs colours by alpha: edges do not take in the colour of what is not seen.
    return canvas.image.resize((size, size), Image.Resampling.LANCZOS)


class Canvas:
    """A square RGB picture that is painted on in unit coordinates.

    Attributes:
        covered: mode L, 255 where something opaque was painted. What lets shine through, such as a
            shadow, belongs to whatever lies below and covers nothing.
    """

    def __init__(self, side: int) -> None:
        self.side = side
        self.image = Image.new("RGB", (side, side))
        self.covered = Image.new("L", (side, side))
        self._draw = ImageDraw.Draw(self.image, "RGBA")

    def fill(self, points: Points, colour: Colour, *, alpha: float = 1.0) -> None:
        """A filled outline; `alpha` 0 to 1 lets what lies below shine through."""
        pixels = self.pixels(points)
        self._draw.polygon(pixels, fill=(*colour, round(255 * alpha)))
        if alpha == 1.0:
            ImageDraw.Draw(self.covered).polygon(pixels, fill=255)

    def fill_from(self, points: Points, source: Image.Image, origin: tuple[int, int]) -> None:
        """A filled outline, coloured by `source`, whose upper left corner lies at `origin`."""
        pixels = self.pixels(points)
        xs, ys = [x for x, _ in pixels], [y for _, y in pixels]
        left, top = math.floor(min(xs)), math.floor(min(ys))
        box = (left, top, math.ceil(max(xs)) + 1, math.ceil(max(ys)) + 1)
        mask = Image.new("L", (box[2] - left, box[3] - top))
        ImageDraw.Draw(mask).polygon([(x - left, y - top) for x, y in pixels], fill=255)
        moved = (box[0] - origin[0], box[1] - origin[1], box[2] - origin[0], box[3] - origin[1])
        self.image.paste(source.crop(moved), (left, top), mask)
        self.covered.paste(255, (left, top), mask)

    def pixels(self, points: Points) -> list[tuple[float, float]]:
        """Unit coordinates -> pixels."""
        return [(x, y) for x, y in (points * self.side).tolist()]


def _bezier(*controls: tuple[float, float], count: int = 24) -> Points:
    """`count` points along a quadratic or cubic Bézier curve."""
    t = np.linspace(0.0, 1.0, count)[:, None]
    level = [np.asarray(control, dtype=np.float64) for control in controls]
    while len(level) > 1:
        level = [a * (1 - t) + b * t for a, b in zip(level, level[1:], strict=False)]
    return level[0]


def _disc(centre: tuple[float, float], radius: float, *, squash: float = 1.0) -> Points:
    angles = np.linspace(0.0, 2 * math.pi, 48, endpoint=False)
    ring = np.stack([np.cos(angles), squash * np.sin(angles)], axis=1)
    return np.asarray(centre) + radius * ring


# Background


def _paint_background(canvas: Canvas, flower: Flower) -> None:
    ramp = Image.linear_gradient("L").resize((canvas.side, canvas.side), Image.Resampling.BILINEAR)
    sky = ImageOps.colorize(ramp, to_rgb(flower.sky_high), to_rgb(flower.sky_low))
    canvas.image.paste(sky)
    glow = to_rgb(shifted(flower.sky_low, lightness=0.03))
    canvas.fill(_disc(flower.centre, 1.42 * flower.radius), glow, alpha=0.45)
    left, right = flower.hill
    ridge = _bezier(
        (-0.01, 1 - left), (0.3, 1 - left - 0.07), (0.7, 1 - right - 0.07), (1.01, 1 - right)
    )
    hill = np.concatenate([ridge, [[1.01, 1.01], [-0.01, 1.01]]])
    canvas.fill(hill, to_rgb(flower.hill_tone))
    front = np.concatenate([ridge + (0.0, 0.075), [[1.01, 1.01], [-0.01, 1.01]]])
    canvas.fill(front, to_rgb(shifted(flower.hill_tone, lightness=-0.07)), alpha=0.6)


# Stem and leaves


def _stem_line(flower: Flower) -> Points:
    """(24, 2) points from the lower edge up to the head."""
    x, y = flower.centre
    middle = ((x + flower.foot) / 2 + flower.bend, (y + 1.0) / 2)
    return _bezier((flower.foot, 1.02), middle, (x, y))


def _paint_stem(canvas: Canvas, flower: Flower) -> None:
    line = _stem_line(flower)
    half = np.linspace(0.021, 0.014, len(line))[:, None] * (1.0, 0.0)
    canvas.fill(np.concatenate([line - half, (line + half)[::-1]]), to_rgb(flower.green))
    dark = to_rgb(shifted(flower.green, lightness=-0.09))
    canvas.fill(np.concatenate([line + 0.15 * half, (line + half)[::-1]]), dark)


def _paint_leaf(canvas: Canvas, flower: Flower, leaf: Leaf) -> None:
    line = _stem_line(flower)
    root = line[round(leaf.place * (len(line) - 1))]
    along = np.array([leaf.side * math.cos(leaf.rise), -math.sin(leaf.rise)])
    across = np.array([0.0, -1.0])
    tip = root + leaf.length * along

    def blade(width: float) -> Points:
        shoulder = root + 0.35 * leaf.length * along + width * across
        return _bezier(
            tuple(root),
            tuple(shoulder),
            tuple(tip - 0.25 * leaf.length * along + width * across),
            tuple(tip),
        )

    spine = blade(0.012)[::-1]
    width = 0.36 * leaf.length
    canvas.fill(
        np.concatenate([blade(width), spine]), to_rgb(shifted(flower.green, lightness=0.07))
    )
    canvas.fill(
        np.concatenate([blade(-0.75 * width), spine]),
        to_rgb(shifted(flower.green, lightness=-0.03)),
    )


# Head


def _petal(flower: Flower, length: float, *, side: int = 0) -> Points:
    """Outline of a petal that grows from the origin along +x, or of one half of it (-1, 1)."""
    half_width = 0.62 * length * math.tan(math.pi / flower.petals) * flower.breadth
    base = (0.0, 0.05 * length)
    belly = (0.30 * length, 1.25 * half_width)
    shoulder = (
        length * (1.0 - 0.22 * flower.point + 1.2 * flower.notch),
        half_width * (1.15 - 0.85 * flower.point),
    )
    half = _bezier(base, belly, shoulder, (length * (1.0 - flower.notch), 0.0))
    mirrored = half * (1.0, -1.0)
    if side:
        return half if side > 0 else mirrored
    return np.concatenate([half, mirrored[::-1]])


def _placed(flower: Flower, outline: Points, angle: float) -> Points:
    """`outline` turned by `angle` and set on the head."""
    cos, sin = math.cos(angle), math.sin(angle)
    turned = outline @ np.array([[cos, sin], [-sin, cos]])
    return np.asarray(flower.centre) + turned * (1.0, flower.squash)


def _petal_angles(flower: Flower, layer: int) -> list[float]:
    step = 2 * math.pi / flower.petals
    return [flower.turn + (index + 0.5 * layer) * step for index in range(flower.petals)]


def _paint_head(canvas: Canvas, flower: Flower) -> None:
    """All rings of petals, with their shadow on what lies behind.

    The petals are painted on a canvas of their own and cut out along their common outline, so that
    the shade between petals does not leak onto the sky.
    """
    silhouette = Image.new("L", canvas.image.size)
    draw = ImageDraw.Draw(silhouette)
    outline = _petal(flower, flower.radius)
    for angle in _petal_angles(flower, 0):
        draw.polygon(canvas.pixels(_placed(flower, outline, angle)), fill=255)
    shade = to_rgb((0.30, 0.06, flower.sky_high[2]))
    offset = (round(0.008 * canvas.side), round(0.022 * canvas.side))
    canvas.image.paste(shade, offset, silhouette.point([level // 4 for level in range(256)]))
    head = Canvas(canvas.side)
    for layer in range(flower.layers):
        _paint_petals(head, flower, layer)
    canvas.image.paste(head.image, (0, 0), silhouette)
    canvas.covered.paste(255, (0, 0), silhouette)


def _paint_petals(canvas: Canvas, flower: Flower, layer: int) -> None:
    """One ring of petals, each over its neighbour, all the way round."""
    length = flower.radius * (1.0 if layer == 0 else 0.68)
    lift = 0.04 * layer
    outer, inner = shifted(flower.outer, lightness=lift), shifted(flower.inner, lightness=lift)
    gradient, origin = _head_gradient(canvas, flower, (inner, outer), length)
    rim = to_rgb(shifted(flower.inner, lightness=-0.10))
    angles = _petal_angles(flower, layer)
    whole = [(angle, 0) for angle in angles]
    # The first petal lies under the last; its near half, painted once more, closes the ring.
    for angle, side in [*whole, (angles[0], -1)]:
        outline = _placed(flower, _petal(flower, length, side=side), angle)
        edge = _placed(flower, _petal(flower, 1.03 * length, side=side) * (1.0, 1.09), angle)
        streak = _placed(flower, _petal(flower, 0.74 * length, side=side) * (1.0, 0.30), angle)
        canvas.fill(edge, rim, alpha=0.6)
        canvas.fill_from(outline, gradient, origin)
        _paint_light(canvas, outline, angle)
        canvas.fill(streak, to_rgb(inner), alpha=0.45)


def _paint_light(canvas: Canvas, outline: Points, angle: float) -> None:
    light = math.cos(angle - LIGHT_ANGLE)
    if light > 0:
        canvas.fill(outline, (255, 255, 250), alpha=0.14 * light)
    else:
        canvas.fill(outline, (60, 20, 70), alpha=-0.12 * light)


def _head_gradient(
    canvas: Canvas, flower: Flower, tones: tuple[Tone, Tone], length: float
) -> tuple[Image.Image, tuple[int, int]]:
    """A square of colour, from the inner tone in its middle to the outer one, and its corner."""
    half = round(1.2 * length * canvas.side)
    # Pillow's radial gradient runs from 0 in the middle to 255 at the middle of each edge.
    ramp = Image.radial_gradient("L").resize((2 * half, 2 * half), Image.Resampling.BILINEAR)
    colours = ImageOps.colorize(
        ramp, to_rgb(tones[0]), to_rgb(tones[1]), blackpoint=40, whitepoint=190
    )
    x, y = (round(c * canvas.side) for c in flower.centre)
    return colours, (x - half, y - half)


def _paint_centre(canvas: Canvas, flower: Flower) -> None:
    radius = flower.disc * flower.radius
    x, y = flower.centre
    dark = shifted(flower.disc_tone, lightness=-0.16, hue=-12)
    canvas.fill(
        _disc((x + 0.004, y + 0.012), 1.08 * radius, squash=flower.squash), (40, 10, 40), alpha=0.25
    )
    if flower.stamens:
        _paint_dots(canvas, flower, flower.disc_tone, count=2 * flower.petals, ring=1.45, dot=0.17)
    canvas.fill(_disc((x, y), radius, squash=flower.squash), to_rgb(dark))
    canvas.fill(
        _disc((x - 0.003, y - 0.005), 0.88 * radius, squash=flower.squash), to_rgb(flower.disc_tone)
    )
    light = to_rgb(shifted(flower.disc_tone, lightness=0.08))
    canvas.fill(_disc((x - 0.2 * radius, y - 0.28 * radius), 0.48 * radius), light, alpha=0.8)
    if not flower.stamens:
        _paint_dots(canvas, flower, dark, count=10, ring=0.66, dot=0.09)


def _paint_dots(
    canvas: Canvas, flower: Flower, tone: Tone, *, count: int, ring: float, dot: float
) -> None:
    """Dots in a ring; `ring` and `dot` are shares of the disc's radius."""
    radius = flower.disc * flower.radius
    for index in range(count):
        angle = flower.turn + 2 * math.pi * (index + 0.5) / count
        place = _placed(flower, np.array([[ring * radius, 0.0]]), angle)[0]
        canvas.fill(_disc((place[0], place[1]), dot * radius), to_rgb(tone))
