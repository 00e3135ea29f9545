"""Colours: profiles whose effect is known, and the modes that need a rule."""

from __future__ import annotations

import io
import struct

import numpy as np
import pytest
from PIL import Image, ImageCms

from projgan.data import colour, report
from projgan.data.colour import plain_mode, to_srgb
from projgan.data.decode import Rules, decode
from projgan.data.report import Unusable

# Colourants of sRGB, adapted to D50 as profiles want them.
RED, GREEN, BLUE = (
    (0.43607, 0.22249, 0.01392),
    (0.38515, 0.71687, 0.09708),
    (0.14307, 0.06061, 0.71410),
)


def swapped_rgb() -> bytes:
    """A screen whose red and green are exchanged."""
    curve = _curve(2.2)
    colourants = {b"rXYZ": _xyz(GREEN), b"gXYZ": _xyz(RED), b"bXYZ": _xyz(BLUE)}
    return _profile(
        b"mntr", b"RGB ", b"XYZ ", colourants | {b"rTRC": curve, b"gTRC": curve, b"bTRC": curve}
    )


def linear_grey() -> bytes:
    """Greys proportional to light: half the light looks like 188 of 255."""
    return _profile(b"mntr", b"GRAY", b"XYZ ", {b"kTRC": _curve(1.0)})


def odd_cmyk() -> bytes:
    """Bare paper is white, any black ink is black, and every other ink is a middle grey."""
    white, middle, black = (255, 128, 128), (136, 128, 128), (0, 128, 128)
    corners = [(c, m, y, k) for c in (0, 1) for m in (0, 1) for y in (0, 1) for k in (0, 1)]
    lab = [black if k else middle if c or m or y else white for c, m, y, k in corners]
    identity = bytes(range(256))
    unit = struct.pack(">9i", *(65536 * (i in (0, 4, 8)) for i in range(9)))
    table = b"mft1" + bytes(4) + bytes([4, 3, 2, 0]) + unit
    table += identity * 4 + bytes(v for triple in lab for v in triple) + identity * 3
    return _profile(b"prtr", b"CMYK", b"Lab ", {b"A2B0": table})


def _xyz(values: tuple[float, float, float]) -> bytes:
    return b"XYZ " + bytes(4) + struct.pack(">3i", *(round(v * 65536) for v in values))


def _curve(gamma: float) -> bytes:
    return b"curv" + bytes(4) + struct.pack(">IH", 1, round(gamma * 256)) + bytes(2)


def _profile(kind: bytes, space: bytes, connection: bytes, tags: dict[bytes, bytes]) -> bytes:
    tags = tags | {b"wtpt": _xyz((0.9642, 1.0, 0.8249))}
    offset = 128 + 4 + 12 * len(tags)
    table, content = struct.pack(">I", len(tags)), b""
    for name, data in tags.items():
        padded = data + bytes(-len(data) % 4)
        table += name + struct.pack(">II", offset + len(content), len(data))
        content += padded
    header = bytearray(128)
    struct.pack_into(">I", header, 0, offset + len(content))
    header[8:12] = bytes([2, 0x40, 0, 0])
    header[12:24] = kind + space + connection
    header[36:40] = b"acsp"
    struct.pack_into(">3i", header, 68, *(round(v * 65536) for v in (0.9642, 1.0, 0.8249)))
    return bytes(header) + table + content


def converted(mode: str, value: object, profile: bytes | None) -> tuple[object, set[str]]:
    facts: set[str] = set()
    image = to_srgb(Image.new(mode, (4, 4), value), profile, (255, 255, 255), facts)  # type: ignore[arg-type]
    assert image.mode == "RGB"
    return image.getpixel((0, 0)), facts


@pytest.mark.parametrize("mode, value", [("RGB", (255, 0, 0)), ("RGBA", (255, 0, 0, 255))])
def test_a_profile_is_converted_to_srgb(mode: str, value: object) -> None:
    pixel, facts = converted(mode, value, swapped_rgb())
    assert np.abs(np.subtract(pixel, (0, 255, 0))).max() <= 2
    assert facts == {report.PROFILED}


def test_a_grey_profile_is_converted() -> None:
    assert converted("L", 128, linear_grey()) == ((188, 188, 188), {report.PROFILED, report.GREY})


def test_grey_with_the_profile_of_a_screen_stays_grey() -> None:
    pixel, facts = converted("L", 128, swapped_rgb())
    assert len(set(pixel)) == 1 and abs(pixel[0] - 128) <= 2  # type: ignore[index,call-overload]
    assert report.PROFILED in facts


@pytest.mark.parametrize(
    "ink, expected",
    [((0, 0, 0, 0), 255), ((0, 0, 0, 255), 0), ((255, 0, 0, 0), 127), ((0, 255, 255, 0), 127)],
)
def test_cmyk_goes_through_its_profile(ink: object, expected: int) -> None:
    # By rule of thumb, full cyan would be (0, 255, 255); this profile says middle grey.
    pixel, facts = converted("CMYK", ink, odd_cmyk())
    assert pixel == (expected,) * 3
    assert facts == {report.CMYK, report.PROFILED}


def test_cmyk_without_profile_is_converted_naively_and_flagged() -> None:
    assert converted("CMYK", (255, 0, 0, 0), None) == (
        (0, 255, 255),
        {report.CMYK, colour.CMYK_BARE},
    )


@pytest.mark.parametrize(
    "profile", [b"junk", linear_grey(), odd_cmyk()], ids=["junk", "grey", "cmyk"]
)
def test_a_profile_that_does_not_fit_is_ignored_and_flagged(profile: bytes) -> None:
    assert converted("RGB", (1, 2, 3), profile) == ((1, 2, 3), {colour.PROFILE_IGNORED})


def test_srgb_itself_changes_nothing() -> None:
    srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert converted("RGB", (1, 2, 3), srgb) == ((1, 2, 3), set())


def test_an_embedded_profile_reaches_the_conversion() -> None:
    buffer = io.BytesIO()
    Image.new("RGB", (32, 32), (255, 0, 0)).save(buffer, "PNG", icc_profile=swapped_rgb())
    picture = decode(buffer.getvalue(), Rules(32, "crop", (0, 0, 0)))
    assert np.abs(picture.pixels.astype(int) - (0, 255, 0)).max() <= 2


@pytest.mark.parametrize("mode, value", [("LA", (100, 64)), ("RGBA", (100, 100, 100, 64))])
def test_transparency_shows_the_background(mode: str, value: object) -> None:
    facts: set[str] = set()
    image = to_srgb(Image.new(mode, (4, 4), value), None, (200, 0, 40), facts)  # type: ignore[arg-type]
    expected = [round((100 * 64 + ground * 191) / 255) for ground in (200, 0, 40)]
    assert list(image.getpixel((0, 0))) == expected  # type: ignore[arg-type]
    assert report.TRANSPARENT in facts


def test_an_alpha_channel_without_transparency_is_no_fact() -> None:
    assert converted("RGBA", (1, 2, 3, 255), None) == ((1, 2, 3), set())


@pytest.mark.parametrize("dtype", ["<u2", ">u2"])
def test_16_bits_are_scaled_with_rounding(dtype: str) -> None:
    values = np.arange(65536, dtype=dtype).reshape(256, 256)
    buffer = io.BytesIO()
    Image.fromarray(values).save(buffer, "TIFF")
    facts: set[str] = set()
    grey = plain_mode(Image.open(buffer), facts)
    assert grey.mode == "L" and facts == {report.DEEP}
    assert np.array_equal(np.asarray(grey), np.rint(values.astype(float) / 257))


def test_a_transparent_16_bit_value_becomes_alpha() -> None:
    image = Image.fromarray(np.array([[1000, 2000]], np.uint16))
    image.info["transparency"] = 2000
    assert np.asarray(plain_mode(image, set())).tolist() == [[[4, 255], [8, 0]]]


@pytest.mark.parametrize(
    "mode, plain", [("1", "L"), ("P", "RGB"), ("La", "LA"), ("RGBX", "RGB"), ("YCbCr", "RGB")]
)
def test_rare_modes_become_plain(mode: str, plain: str) -> None:
    assert plain_mode(Image.new(mode, (2, 2)), set()).mode == plain


@pytest.mark.parametrize("mode", ["I", "F", "LAB", "HSV"])
def test_pixels_without_a_fixed_range_are_refused(mode: str) -> None:
    with pytest.raises(Unusable, match=f"of the kind {mode},"):
        plain_mode(Image.new(mode, (2, 2)), set())
