"""One picture file to one square of pixels: the rules, each of them once.

The order: header judged -> decoded -> turned by EXIF -> fitted to the square -> colours to sRGB
-> laid over the background. Whatever is wrong with the bytes ends as `Unusable` with a reason.
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


@dataclass(frozen=True)
class Rules:
    """The settings that change pixels."""

    resolution: int
    fit: Fit
    background: Colour


@dataclass(frozen=True)
class Picture:
    """A decoded picture."""

    pixels: npt.NDArray[np.uint8]
    """(R, R, 3), sRGB."""
    facts: frozenset[str]
    """What the file was: constants of `data.report` and `data.colour`."""


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
                pixels = _to_square(image, rules, facts)
    except Unusable:
        raise
    except UnidentifiedImageError:
        raise Unusable("is not an intact JPEG, PNG, WebP, BMP, GIF or TIFF picture") from None
    except Image.DecompressionBombError:
        raise Unusable(_too_large(MAX_PIXELS)) from None
    # Pillow's readers let out whatever broken bytes lead them into: SyntaxError, KeyError ...
    except Exception as error:
        raise Unusable(f"is damaged: {str(error) or type(error).__name__}"[:200]) from error
    return Picture(pixels, frozenset(facts))


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


def _to_square(image: Image.Image, rules: Rules, facts: set[str]) -> npt.NDArray[np.uint8]:
    resolution = rules.resolution
    original = image.size
    # A JPEG can be decoded at a half, a quarter or an eighth. Three times the goal leaves Lanczos
    # enough to work with, and a 24-megapixel photo takes a fraction of the time and memory.
    image.draft(None, (3 * resolution, 3 * resolution))
    profile = image.info.get("icc_profile")
    turned_by_pillow = _orientation(image) if image.format == "TIFF" else None
    image.load()
    if _upscales(original, rules):
        facts.add(report.UPSCALED)
    turn = _orientation(image)
    if turn is not None or turned_by_pillow is not None:
        facts.add(report.ROTATED)
    upright = image if turn is None else image.transpose(turn)
    fitted = _fit(plain_mode(upright, facts), rules)
    final = to_srgb(fitted, profile, rules.background, facts)
    if final.size != (resolution, resolution):
        final = _pad(final, rules)
    return np.asarray(final)


def _upscales(size: tuple[int, int], rules: Rules) -> bool:
    side = max(size) if rules.fit == "pad" else min(size)
    return side < rules.resolution


def _orientation(image: Image.Image) -> Image.Transpose | None:
    """The turn that EXIF still asks for. Pillow turns a TIFF while loading and drops the tag."""
    try:
        return _TURNS.get(image.getexif().get(_ORIENTATION, 1))
    except Exception:  # unreadable EXIF says nothing about the pixels
        return None


def _fit(image: Image.Image, rules: Rules) -> Image.Image:
    """Cropped, and resized by Lanczos; with fit "pad" its long side is the resolution."""
    width, height = image.size
    resolution = rules.resolution
    goal = (resolution, resolution)
    if rules.fit == "crop":
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        image = image.crop((left, top, left + side, top + side)) if width != height else image
    elif rules.fit == "pad":
        scale = resolution / max(width, height)
        goal = (max(1, round(width * scale)), max(1, round(height * scale)))
    # Transparent pictures: Pillow weighs colours by alpha while resizing.
    return image if image.size == goal else image.resize(goal, Image.Resampling.LANCZOS)


def _pad(image: Image.Image, rules: Rules) -> Image.Image:
    resolution = rules.resolution
    canvas = Image.new("RGB", (resolution, resolution), rules.background)
    canvas.paste(image, ((resolution - image.width) // 2, (resolution - image.height) // 2))
    return canvas
