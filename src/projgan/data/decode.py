"""One picture file to pixels of the set's size and mode: the rules, each of them once.

The order: header judged -> decoded -> turned by EXIF -> fitted to the size -> colours to sRGB ->
laid over the background, unless the set keeps transparency -> made grey, if the set is. Whatever is
wrong with the bytes ends as `Unusable` with a reason.
"""

from __future__ import annotations

import contextlib
import io
import threading
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from PIL import (  # noqa: F401 - importing a plugin is what registers it, here and not in a thread
    BmpImagePlugin,
    GifImagePlugin,
    Image,
    JpegImagePlugin,
    PngImagePlugin,
    TiffImagePlugin,
    UnidentifiedImageError,
    WebPImagePlugin,
)

from projgan.config.pictures import Fit
from projgan.config.shapes import Mode, Resolution, size_of
from projgan.data import report
from projgan.data.colour import Colour, plain_mode, to_srgb
from projgan.data.report import Unusable

RULES_VERSION = 1
"""Raise it when the same file would give other pixels than before."""
FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF")
"""Past holes in Pillow lie in its rarer readers; those never see a file."""
MIN_SIDE = 16
MAX_PIXELS = 100_000_000
MAX_PIXELS_WEBP = 50_000_000
"""Its reader holds four copies: 100 million pixels were measured to take 1.6 GB."""

_LARGE_PIXELS = 25_000_000
_large = threading.Lock()
_ORIENTATION = 0x0112
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
_SIDEWAYS = (
    Image.Transpose.TRANSPOSE,
    Image.Transpose.ROTATE_270,
    Image.Transpose.TRANSVERSE,
    Image.Transpose.ROTATE_90,
)
"""Turns that exchange width and height."""


@dataclass(frozen=True)
class Rules:
    """The settings that change pixels."""

    resolution: Resolution
    fit: Fit
    background: Colour
    mode: Mode = "rgb"

    @property
    def goal(self) -> tuple[int, int]:
        """Width and height of the result."""
        height, width = size_of(self.resolution)
        return width, height


@dataclass(frozen=True)
class Picture:
    """A decoded picture."""

    pixels: npt.NDArray[np.uint8]
    """(H, W, C): sRGB, its luma (C = 1), or sRGB and alpha, not multiplied (C = 4)."""
    facts: frozenset[str]
    """What the file was: constants of `data.report` and `data.colour`."""
    size: tuple[int, int]
    """Width and height in the file, the right way up."""


def decode(data: bytes, rules: Rules) -> Picture:
    """The picture in `data` (a whole file) under `rules`.

    Raises: Unusable: if it is not a picture of an allowed format, is damaged, or has too few or too
        many pixels. No other exception, whatever the bytes.
    """
    if not data:
        raise Unusable("is empty")
    facts: set[str] = set()
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            size = _judge_size(image)
            if _has_more_frames(image):
                facts.add(report.FIRST_FRAME)
            with _large if size[0] * size[1] > _LARGE_PIXELS else contextlib.nullcontext():
                pixels, size = _to_size(image, rules, facts)
    except Unusable:
        raise
    except UnidentifiedImageError:
        raise Unusable("is not an intact JPEG, PNG, WebP, BMP, GIF or TIFF picture") from None
    except Image.DecompressionBombError:
        raise Unusable(_too_large(MAX_PIXELS)) from None
    # Pillow's readers let out whatever broken bytes lead them into: SyntaxError, KeyError ...
    except Exception as error:
        raise Unusable(f"is damaged: {str(error) or type(error).__name__}"[:200]) from error
    return Picture(pixels, frozenset(facts), size)


@contextlib.contextmanager
def quiet_pillow() -> Iterator[None]:
    """No warnings from Pillow: what it warns about is in the report. Not to be used in a thread."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", module=r"PIL\.")
        yield


def _judge_size(image: Image.Image) -> tuple[int, int]:
    """Width and height; nothing has been decoded yet."""
    width, height = image.size
    limit = MAX_PIXELS_WEBP if image.format == "WEBP" else MAX_PIXELS
    if width * height > limit:
        raise Unusable(f"{_too_large(limit)} ({width} x {height})")
    if min(width, height) < MIN_SIDE:
        raise Unusable(f"is too small ({width} x {height}; the least side is {MIN_SIDE})")
    return width, height


def _too_large(limit: int) -> str:
    return f"has more than {limit // 1_000_000} million pixels"


def _has_more_frames(image: Image.Image) -> bool:
    try:
        return bool(getattr(image, "is_animated", False))
    except Exception:  # a broken second frame is no reason to lose the first
        return False


def _to_size(
    image: Image.Image, rules: Rules, facts: set[str]
) -> tuple[npt.NDArray[np.uint8], tuple[int, int]]:
    """The pixels under `rules`, and the upright size that the picture had."""
    original = image.size
    # A JPEG can be decoded at a half, a quarter or an eighth. Three times the goal leaves Lanczos
    # enough to work with, and a 24-megapixel photo takes a fraction of the time and memory.
    longer = max(rules.goal)
    image.draft(None, (3 * longer, 3 * longer))
    profile = image.info.get("icc_profile")
    turned_by_pillow = _orientation(image) if image.format == "TIFF" else None
    image.load()
    turn = _orientation(image)
    if turn is not None or turned_by_pillow is not None:
        facts.add(report.ROTATED)
    if turned_by_pillow is not None:
        original = image.size
    elif turn in _SIDEWAYS:
        original = (original[1], original[0])
    if _upscales(original, rules):
        facts.add(report.UPSCALED)
    upright = image if turn is None else image.transpose(turn)
    fitted = _fit(plain_mode(upright, facts), rules)
    is_kept = rules.mode == "rgba"
    final = to_srgb(fitted, profile, None if is_kept else rules.background, facts)
    if final.size != rules.goal:
        final = _pad(final, rules)
    if rules.mode == "grey":
        final = final.convert("L")  # ITU-R 601: 0.299 red, 0.587 green, 0.114 blue
    pixels = np.asarray(final)
    return (pixels[:, :, None] if pixels.ndim == 2 else pixels), original


def _upscales(size: tuple[int, int], rules: Rules) -> bool:
    """Whether a picture of this width and height is enlarged along a side (pad: along both)."""
    smaller = [side < goal for side, goal in zip(size, rules.goal, strict=True)]
    return all(smaller) if rules.fit == "pad" else any(smaller)


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """The turn that EXIF still asks for. Pillow turns a TIFF while loading and drops the tag."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # unreadable EXIF says nothing about the pixels
        return None


def _fit(image: Image.Image, rules: Rules) -> Image.Image:
    """Cropped to the goal's ratio and resized by Lanczos; with fit "pad" made to fit inside it."""
    width, height = image.size
    goal = goal_width, goal_height = rules.goal
    if rules.fit == "crop":
        image = _crop(image, goal)
    elif rules.fit == "pad":
        scale = min(goal_width / width, goal_height / height)
        goal = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Transparent pictures: Pillow weighs colours by alpha while resizing, so that the colour of
    # what cannot be seen does not bleed into edges.
    return image if image.size == goal else image.resize(goal, Image.Resampling.LANCZOS)


def _crop(image: Image.Image, goal: tuple[int, int]) -> Image.Image:
    """The largest part of the goal's ratio, in the middle."""
    width, height = image.size
    kept_width = min(width, max(1, round(height * goal[0] / goal[1])))
    kept_height = min(height, max(1, round(width * goal[1] / goal[0])))
    if (kept_width, kept_height) == image.size:
        return image
    left, top = (width - kept_width) // 2, (height - kept_height) // 2
    return image.crop((left, top, left + kept_width, top + kept_height))


def _pad(image: Image.Image, rules: Rules) -> Image.Image:
    """In the middle of the goal, on the background; on nothing if the set keeps transparency."""
    width, height = rules.goal
    ground = (0, 0, 0, 0) if image.mode == "RGBA" else rules.background
    canvas = Image.new(image.mode, (width, height), ground)
    canvas.paste(image, ((width - image.width) // 2, (height - image.height) // 2))
    return canvas
