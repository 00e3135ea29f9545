"""Colours of a file to sRGB: embedded profiles, CMYK, grey, 16 bits, palettes, transparency.

Works on pictures that already have their final size, except for `plain_mode`.
"""

from __future__ import annotations

import functools
import io

import numpy as np
from PIL import Image, ImageCms

from projgan.data import report
from projgan.data.report import Unusable

Colour = tuple[int, int, int]

CMYK_BARE = "CMYK without a colour profile, converted by rule of thumb"
PROFILE_IGNORED = "its colour profile cannot be used and was ignored"
DOUBTFUL = (CMYK_BARE, PROFILE_IGNORED)
"""Facts that are reported by name: such colours may be off."""

_SPACE_OF_MODE = {"L": "GRAY", "RGB": "RGB", "CMYK": "CMYK"}
_TO_8_BITS = ((np.arange(65536) * 255 + 32767) // 65535).astype(np.uint8)


def plain_mode(image: Image.Image, facts: set[str]) -> Image.Image:
    """The picture as L, LA, RGB, RGBA or CMYK, which can be resized; `facts` learns what it was.

    Raises: Unusable: for pixels without a fixed range (32-bit numbers) and other rare modes.
    """
    mode = image.mode
    if mode.startswith("I;16"):
        facts.add(report.DEEP)
        return _from_16_bits(image)
    if mode in ("P", "PA"):
        facts.add(report.PALETTE)
    if mode in ("PA", "RGBa") or (mode in ("1", "L", "RGB", "P") and image.has_transparency_data):
        return image.convert("RGBA")
    replacement = {"1": "L", "La": "LA", "P": "RGB", "RGBX": "RGB", "YCbCr": "RGB"}.get(mode, mode)
    if replacement not in ("L", "LA", "RGB", "RGBA", "CMYK"):
        raise Unusable(
            f"has pixels of the kind {mode}, which have no fixed range; save it with 8 or 16 bits"
        )
    return image if replacement == mode else image.convert(replacement)


def to_srgb(
    image: Image.Image, profile: bytes | None, background: Colour | None, facts: set[str]
) -> Image.Image:
    """An RGB picture in sRGB, over `background` where it was transparent; or RGBA, as it was.

    Args:
        image: mode L, LA, RGB, RGBA or CMYK.
        profile: the embedded ICC profile, if any.
        background: red, green and blue, 0 to 255; None: alpha is kept, opaque where there is none.
        facts: told what was done.
    """
    alpha = image.getchannel("A") if image.mode in ("LA", "RGBA") else None
    colours = image.convert(image.mode[:-1]) if alpha else image
    opaque = _apply_profile(colours, profile, facts)
    is_opaque = alpha is None or alpha.getextrema() == (255, 255)
    if not is_opaque:
        facts.add(report.TRANSPARENT)
    if background is None:
        opaque.putalpha(255 if alpha is None else alpha)
        return opaque
    if is_opaque:
        return opaque
    canvas = Image.new("RGB", image.size, background)
    canvas.paste(opaque, mask=alpha)
    return canvas


def _apply_profile(image: Image.Image, profile: bytes | None, facts: set[str]) -> Image.Image:
    if image.mode == "CMYK":
        facts.add(report.CMYK)
    if image.mode == "L":
        facts.add(report.GREY)
    if not profile:
        if image.mode == "CMYK":
            facts.add(CMYK_BARE)
        return image.convert("RGB")
    try:
        transform, mode = _transform(profile, image.mode)
        if transform is None:
            return image.convert("RGB")
        converted = ImageCms.applyTransform(image.convert(mode), transform)
    except (ImageCms.PyCMSError, ImportError, OSError, ValueError, TypeError):
        facts.add(PROFILE_IGNORED)
        return image.convert("RGB")
    facts.add(report.PROFILED)
    assert converted is not None, "applyTransform returns a picture unless told to work in place"
    return converted


@functools.lru_cache(maxsize=32)
def _transform(profile: bytes, mode: str) -> tuple[ImageCms.ImageCmsTransform | None, str]:
    """From `profile` to sRGB, and the mode that it takes; None if the profile is sRGB already.

    Raises: ValueError: if the profile belongs to pictures of another mode.
    """
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
    space = source.profile.xcolor_space.strip()
    if mode == "L" and space == "RGB":
        mode = "RGB"  # the greys are those of the screen that this profile describes
    if space != _SPACE_OF_MODE[mode]:
        raise ValueError(f"a profile for {space} in a picture of mode {mode}")
    if _is_srgb(source):
        return None, mode
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB"), mode


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    """Whether it names itself sRGB; converting those would only add rounding errors."""
    return (profile.profile.profile_description or "").startswith("sRGB")


def _from_16_bits(image: Image.Image) -> Image.Image:
    """Grey with 16 bits, scaled to 8 with rounding (Pillow's own conversion would clip)."""
    values = np.asarray(image)
    scaled = np.empty(values.shape, np.uint8)
    for top in range(0, len(values), 256):  # looking all up at once would need 8 bytes a pixel
        scaled[top : top + 256] = _TO_8_BITS[values[top : top + 256]]
    grey = Image.fromarray(scaled)
    transparent = image.info.get("transparency")
    if isinstance(transparent, int):
        grey.putalpha(Image.fromarray((values != transparent).astype(np.uint8) * np.uint8(255)))
    return grey
