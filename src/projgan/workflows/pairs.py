"""The picture of pairs: a sample, and what is nearest to it in two spaces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont
from torch import Tensor

from projgan.data.dataset import PreparedSet
from projgan.images import on_white, to_pil

COLUMNS = 3
SIDE_PX = 128
_GAP, _BETWEEN, _MARGIN = 4, 28, 16
_LINE_PX, _FONT_PX = 16, 13
_HEAD_PX = 56
_INK, _FAINT, _ALARM = "#1b1b1b", "#6b6b6b", "#c01818"
_HEADS = ("sample", "nearest by lite1", "nearest by thumbnail")


@dataclass(frozen=True)
class Near:
    """The training picture nearest to a sample in one space.

    Attributes:
        picture, index: its name and its number in the prepared set.
        is_mirrored: whether its mirror image is nearer.
        closeness: the distance in units of that picture's distance to its own neighbour.
        threshold: closeness below which the sample is a copy.
    """

    picture: str
    index: int
    is_mirrored: bool
    distance: float
    closeness: float
    threshold: float
    is_copy: bool


@dataclass(frozen=True)
class Pair:
    """One sample and its neighbours.

    Attributes:
        sample: its name, such as "seed 12".
        place: its number among the samples.
    """

    sample: str
    place: int
    lite1: Near
    thumbnails: Near

    @property
    def is_copy(self) -> bool:
        """In either space."""
        return self.lite1.is_copy or self.thumbnails.is_copy

    @property
    def rank(self) -> float:
        """The smaller of both closenesses, each in units of its threshold: below 1 for a copy."""
        return min(near.closeness / near.threshold for near in (self.lite1, self.thumbnails))


def draw_pairs(
    pairs: Sequence[Pair], samples: Tensor, pictures: PreparedSet, *, title: str
) -> Image.Image:
    """A sheet of pairs, row by row; mirrored neighbours are shown mirrored.

    Args:
        samples: (N, C, H, W) uint8, by the places of the pairs.
        title: above all.
    """
    columns = min(COLUMNS, len(pairs))
    rows = -(-len(pairs) // columns)
    width, height = 3 * SIDE_PX + 2 * _GAP, SIDE_PX + 2 * _LINE_PX + 14
    size = (
        2 * _MARGIN + columns * width + (columns - 1) * _BETWEEN,
        _HEAD_PX + rows * height + _MARGIN,
    )
    title_font = ImageFont.load_default(size=17)
    long_enough = int(title_font.getlength(title)) + 2 * _MARGIN
    sheet = Image.new("RGB", (max(size[0], long_enough), size[1]), "white")
    draw = ImageDraw.Draw(sheet)
    draw.text((_MARGIN, 8), title, fill=_INK, font=title_font)
    font = ImageFont.load_default(size=_FONT_PX)
    for column in range(columns):
        for place, head in enumerate(_HEADS):
            left = _MARGIN + column * (width + _BETWEEN) + place * (SIDE_PX + _GAP)
            draw.text((left, _HEAD_PX - 20), head, fill=_FAINT, font=font)
    for number, pair in enumerate(pairs):
        left = _MARGIN + number % columns * (width + _BETWEEN)
        top = _HEAD_PX + number // columns * height
        shown = [
            (samples[pair.place], False, (pair.sample, "a copy" if pair.is_copy else "")),
            *(
                (pictures.images([near.index])[0], near.is_mirrored, _caption(near))
                for near in (pair.lite1, pair.thumbnails)
            ),
        ]
        alarms = (pair.is_copy, pair.lite1.is_copy, pair.thumbnails.is_copy)
        for place, ((pixels, is_mirrored, lines), alarm) in enumerate(
            zip(shown, alarms, strict=True)
        ):
            at = left + place * (SIDE_PX + _GAP)
            sheet.paste(_enlarged(pixels.flip(2) if is_mirrored else pixels), (at, top))
            for row, line in enumerate(lines):
                where = (at, top + SIDE_PX + 2 + row * _LINE_PX)
                colour = (_ALARM if alarm else _INK) if row or not place else _FAINT
                draw.text(where, _fitted(line, font), fill=colour, font=font)
    return sheet


def _caption(near: Near) -> tuple[str, str]:
    mirrored = ", mirrored" if near.is_mirrored else ""
    return near.picture, f"{near.closeness:.2f}{' < ' if near.is_copy else ' > '}" + (
        f"{near.threshold:.2f}{mirrored}"
    )


def _fitted(text: str, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """The text, without its middle if it is wider than a picture."""
    kept = len(text)
    shown = text
    while kept > 4 and font.getlength(shown) > SIDE_PX:
        kept -= 1
        shown = f"{text[: kept // 2]}...{text[len(text) - (kept - kept // 2) :]}"
    return shown


def _enlarged(pixels: Tensor) -> Image.Image:
    """(C, H, W) uint8 as a square of SIDE_PX, in the middle; small pictures keep their pixels."""
    picture = on_white(to_pil(pixels)).convert("RGB")
    longest = max(picture.size)
    way = Image.Resampling.NEAREST if SIDE_PX % longest == 0 else Image.Resampling.LANCZOS
    size = tuple(max(1, round(side * SIDE_PX / longest)) for side in picture.size)
    square = Image.new("RGB", (SIDE_PX, SIDE_PX), "white")
    place = tuple((SIDE_PX - side) // 2 for side in size)
    square.paste(picture.resize((size[0], size[1]), way), (place[0], place[1]))
    return square
