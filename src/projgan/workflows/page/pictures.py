"""Pictures inside the page: made smaller where they are large, as WebP in data addresses."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, features

MAX_SIDE = 1_024
"""Longest side in pixels of an embedded picture."""
_QUALITY = 80
_METHOD = 2
"""Of WebP's efforts 0 to 6: above it the page gets a few percent smaller in twice the time."""


@dataclass(frozen=True)
class Picture:
    """One embedded picture."""

    address: str
    """A data: address."""
    width: int
    height: int
    was_made_smaller: bool
    has_alpha: bool


def embed(path: Path) -> Picture | None:
    """The picture of a file, or None if there is none or it cannot be read.

    A run that was killed on a full disk may have left anything; a page does without it.
    """
    try:
        with Image.open(path) as file:
            image = file.convert("RGBA" if "A" in file.getbands() else "RGB")
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None
    is_large = max(image.size) > MAX_SIDE
    if is_large:
        image.thumbnail((MAX_SIDE, MAX_SIDE), Image.Resampling.LANCZOS)
    has_alpha = image.mode == "RGBA"
    content, kind = _encode(image)
    address = f"data:image/{kind};base64,{base64.b64encode(content).decode('ascii')}"
    return Picture(address, *image.size, was_made_smaller=is_large, has_alpha=has_alpha)


def _encode(image: Image.Image) -> tuple[bytes, str]:
    """WebP where Pillow has it; otherwise JPEG, or PNG for what is transparent."""
    buffer = io.BytesIO()
    if features.check("webp"):
        image.save(buffer, "WEBP", quality=_QUALITY, method=_METHOD)
        return buffer.getvalue(), "webp"
    kind = "png" if image.mode == "RGBA" else "jpeg"
    image.save(buffer, kind.upper(), quality=_QUALITY)
    return buffer.getvalue(), kind


def img(picture: Picture, words: str, *, extra: str = "") -> str:
    """The element; `words` and `extra` are attributes that are escaped already."""
    kind = ' class="see-through"' if picture.has_alpha else ""
    return (
        f'<img src="{picture.address}" width="{picture.width}" height="{picture.height}"'
        f' alt="{words}"{kind}{extra}>'
    )
