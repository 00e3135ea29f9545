"""One file to one square: exact pixels where the format is lossless, else a named reason."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from projgan.data import report
from projgan.data.decode import Picture, Rules, decode, quiet_pillow
from projgan.data.report import Unusable

BACKGROUND = (10, 200, 30)
CROP, PAD, SQUASH = (Rules(32, fit, BACKGROUND) for fit in ("crop", "pad", "squash"))

Pixels = npt.NDArray[np.uint8]


def noise(height: int = 32, width: int = 32, channels: int = 3, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (height, width, channels), dtype=np.uint8)


def smooth(height: int, width: int) -> Image.Image:
    return Image.fromarray(noise(4, 4)).resize((width, height), Image.Resampling.BICUBIC)


def encode(image: Image.Image | Pixels, kind: str = "PNG", **options: object) -> bytes:
    image = image if isinstance(image, Image.Image) else Image.fromarray(image)
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def reason(data: bytes, rules: Rules = CROP) -> str:
    with pytest.raises(Unusable) as caught, quiet_pillow():
        decode(data, rules)
    return str(caught.value)


@pytest.mark.parametrize(
    "kind, options",
    [
        ("PNG", {}),
        ("BMP", {}),
        ("TIFF", {}),
        ("TIFF", {"compression": "tiff_lzw"}),
        ("WEBP", {"lossless": True}),
    ],
)
def test_lossless_formats_at_the_right_size_are_exact(
    kind: str, options: dict[str, object]
) -> None:
    pixels = noise()
    picture = decode(encode(pixels, kind, **options), CROP)
    assert np.array_equal(picture.pixels, pixels)
    assert picture.facts == frozenset()


def test_a_palette_is_looked_up() -> None:
    colours = noise(1, 7)[0]
    indices = np.random.default_rng(1).integers(0, 7, (32, 32), dtype=np.uint8)
    image = Image.fromarray(indices).convert("P")
    image.putpalette(colours.tobytes())
    for kind in ("PNG", "GIF", "BMP"):
        picture = decode(encode(image, kind), CROP)
        assert np.array_equal(picture.pixels, colours[indices]), kind
        assert picture.facts == {report.PALETTE}


def test_a_transparent_palette_entry_shows_the_background() -> None:
    image = Image.fromarray(np.eye(32, dtype=np.uint8)).convert("P")
    image.putpalette(bytes([1, 2, 3, 4, 5, 6]))
    for kind in ("PNG", "GIF"):
        picture = decode(encode(image, kind, transparency=1), CROP)
        assert tuple(picture.pixels[5, 5]) == BACKGROUND, kind
        assert tuple(picture.pixels[5, 6]) == (1, 2, 3), kind


def test_grey_and_one_bit_pictures_are_spread_over_three_channels() -> None:
    grey = noise()[..., 0]
    picture = decode(encode(grey), CROP)
    assert np.array_equal(picture.pixels, np.repeat(grey[..., None], 3, 2))
    assert picture.facts == {report.GREY}
    bits = decode(encode(Image.fromarray(grey > 127)), CROP)
    assert np.array_equal(bits.pixels[..., 0], np.where(grey > 127, 255, 0))


def test_alpha_lies_over_the_background() -> None:
    pixels = noise(channels=4)
    alpha = pixels[..., 3:] / 255
    expected = pixels[..., :3] * alpha + np.array(BACKGROUND) * (1 - alpha)
    assert np.abs(decode(encode(pixels), CROP).pixels - expected).max() <= 0.51


def test_colour_under_full_transparency_never_leaks_when_resized() -> None:
    pixels = np.zeros((64, 64, 4), np.uint8)
    pixels[..., 0] = 255  # red, but invisible
    pixels[16:48, 16:48] = (0, 0, 255, 255)
    result = decode(encode(pixels), Rules(32, "crop", (255, 255, 255))).pixels.astype(int)
    assert (result[..., 0] == result[..., 1]).all()  # white to blue, nothing reddish


def test_16_bit_grey_is_scaled_not_clipped() -> None:
    values = np.linspace(0, 65535, 1024).astype(np.uint16).reshape(32, 32)
    for kind in ("PNG", "TIFF"):
        picture = decode(encode(Image.fromarray(values), kind), CROP)
        assert np.array_equal(picture.pixels[..., 0], np.rint(values / 257)), kind
        assert report.DEEP in picture.facts


@pytest.mark.parametrize("kind", ["PNG", "TIFF", "JPEG"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(kind: str, orientation: int) -> None:
    upright = np.zeros((32, 32, 3), np.uint8)
    upright[:16, :16], upright[:16, 16:], upright[16:, :16] = 250, 170, 90
    # What a camera that was held otherwise stores, by the definition of the tag.
    stored = {
        1: upright,
        2: upright[:, ::-1],
        3: upright[::-1, ::-1],
        4: upright[::-1],
        5: upright.transpose(1, 0, 2),
        6: np.rot90(upright, 1),
        7: upright[::-1, ::-1].transpose(1, 0, 2),
        8: np.rot90(upright, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    picture = decode(encode(np.ascontiguousarray(stored), kind, exif=exif), CROP)
    assert np.abs(picture.pixels.astype(int) - upright).max() <= (6 if kind == "JPEG" else 0)
    assert (report.ROTATED in picture.facts) == (orientation > 1)


def test_unreadable_exif_does_not_cost_the_picture() -> None:
    pixels = noise()
    data = encode(pixels, exif=b"Exif\x00\x00MM\x00*\xff\xff\xff\xff" + bytes(20))
    with quiet_pillow():
        assert np.array_equal(decode(data, CROP).pixels, pixels)


@pytest.mark.parametrize(
    "height, width, rows, columns", [(32, 47, (0, 32), (7, 39)), (50, 32, (9, 41), (0, 32))]
)
def test_crop_takes_the_middle(
    height: int, width: int, rows: tuple[int, int], columns: tuple[int, int]
) -> None:
    pixels = noise(height, width)
    picture = decode(encode(pixels), CROP)
    assert np.array_equal(picture.pixels, pixels[slice(*rows), slice(*columns)])


def test_pad_keeps_all_and_fills_with_the_background() -> None:
    pixels = noise(20, 32)
    result = decode(encode(pixels), PAD).pixels
    assert np.array_equal(result[6:26], pixels)
    assert (result[:6] == BACKGROUND).all() and (result[26:] == BACKGROUND).all()


@pytest.mark.parametrize("rules, box", [(CROP, (20, 0, 80, 60)), (SQUASH, (0, 0, 100, 60))])
def test_resizing_is_lanczos(rules: Rules, box: tuple[int, int, int, int]) -> None:
    image = smooth(60, 100)
    expected = image.crop(box).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.array_equal(decode(encode(image), rules).pixels, np.asarray(expected))


def test_pad_resizes_the_long_side_by_lanczos() -> None:
    image = smooth(60, 100)
    expected = image.resize((32, 19), Image.Resampling.LANCZOS)
    assert np.array_equal(decode(encode(image), PAD).pixels[6:25], np.asarray(expected))


@pytest.mark.parametrize(
    "rules, size, enlarged",
    [
        (CROP, (100, 31), True),
        (CROP, (32, 100), False),
        (PAD, (32, 20), False),
        (SQUASH, (32, 20), True),
    ],
)
def test_enlarged_pictures_are_noted(rules: Rules, size: tuple[int, int], enlarged: bool) -> None:
    facts = decode(encode(Image.new("RGB", size)), rules).facts
    assert (report.UPSCALED in facts) == enlarged


def test_a_large_jpeg_is_decoded_small_and_looks_the_same() -> None:
    image = smooth(1200, 1600)
    result = decode(encode(image, "JPEG", quality=95), CROP).pixels.astype(int)
    expected = image.crop((200, 0, 1400, 1200)).resize((32, 32), Image.Resampling.LANCZOS)
    assert np.abs(result - np.asarray(expected)).max() <= 4


@pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG", "TIFF"])
def test_of_several_frames_the_first_is_used(kind: str) -> None:
    first, second = (Image.new("RGB", (32, 32), value) for value in ((250, 0, 0), (0, 0, 250)))
    picture = decode(encode(first, kind, save_all=True, append_images=[second]), CROP)
    assert np.abs(picture.pixels.astype(int) - (250, 0, 0)).max() <= (8 if kind == "WEBP" else 0)
    assert report.FIRST_FRAME in picture.facts


def test_a_cmyk_jpeg_is_upright_in_colour_and_flagged() -> None:
    picture = decode(encode(Image.new("CMYK", (32, 32), (255, 0, 0, 0)), "JPEG", quality=95), CROP)
    assert np.abs(picture.pixels.astype(int) - (0, 255, 255)).max() <= 3
    assert report.CMYK in picture.facts


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, content: bytes) -> bytes:
        return (
            struct.pack(">I", len(content))
            + kind
            + content
            + struct.pack(">I", zlib.crc32(kind + content))
        )

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(
    "width, height", [(60_000, 60_000), (10_001, 10_000), (2**31 - 1, 2**31 - 1)]
)
def test_huge_headers_are_refused_before_decoding(width: int, height: int) -> None:
    assert "more than 100 million pixels" in reason(png_header(width, height))


def test_tiny_pictures_are_refused_with_their_size() -> None:
    assert "too small (15 x 400" in reason(encode(Image.new("RGB", (15, 400))))
    assert decode(encode(Image.new("RGB", (16, 400))), CROP).pixels.shape == (32, 32, 3)


@pytest.mark.parametrize(
    "data",
    [
        b"this is a letter to a friend",
        encode(noise(), "PPM"),
        encode(noise(), "TGA"),
        encode(noise(), "ICO"),
        b"%PDF-1.4\n",
        b"8BPS" + bytes(60),
    ],
    ids=["text", "ppm", "tga", "ico", "pdf", "psd"],
)
def test_other_formats_are_refused_whatever_their_name(data: bytes) -> None:
    assert reason(data) == "is not an intact JPEG, PNG, WebP, BMP, GIF or TIFF picture"


def test_empty_files_are_refused() -> None:
    assert reason(b"") == "is empty"


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP", "BMP", "GIF", "TIFF"])
def test_truncated_files_are_refused(kind: str) -> None:
    data = encode(noise(64, 64), kind)
    assert reason(data[: len(data) // 2]).startswith(("is damaged", "is not an intact"))


def test_a_text_bomb_in_a_png_is_refused() -> None:
    plain = encode(noise())
    content = b"Comment\x00\x00" + zlib.compress(bytes(80_000_000))
    chunk = (
        struct.pack(">I", len(content))
        + b"zTXt"
        + content
        + struct.pack(">I", zlib.crc32(b"zTXt" + content))
    )
    assert reason(plain[:33] + chunk + plain[33:])


SEEDS: dict[str, Callable[[], bytes]] = {
    "jpeg": lambda: encode(smooth(40, 50), "JPEG"),
    "progressive": lambda: encode(smooth(40, 50), "JPEG", progressive=True),
    "cmyk": lambda: encode(smooth(40, 50).convert("CMYK"), "JPEG"),
    "png": lambda: encode(smooth(40, 50)),
    "palette": lambda: encode(smooth(40, 50).quantize(16), transparency=3),
    "deep": lambda: encode(Image.fromarray(np.arange(2000, dtype=np.uint16).reshape(40, 50))),
    "webp": lambda: encode(smooth(40, 50), "WEBP"),
    "bmp": lambda: encode(smooth(40, 50), "BMP"),
    "gif": lambda: encode(smooth(40, 50), "GIF", save_all=True, append_images=[smooth(40, 50)]),
    "tiff": lambda: encode(smooth(40, 50), "TIFF", compression="tiff_lzw"),
}


@pytest.mark.parametrize("name", SEEDS)
def test_mutated_files_give_a_picture_or_a_reason(name: str) -> None:
    original = SEEDS[name]()
    rng = np.random.default_rng(zlib.crc32(name.encode()))
    with quiet_pillow():
        for _ in range(60):
            data = bytearray(original)
            # Half of the damage goes where the headers are.
            reach = len(data) if rng.random() < 0.5 else min(len(data), 100)
            for position in rng.integers(0, reach, rng.integers(1, 6)):
                data[position] = rng.integers(0, 256)
            if rng.random() < 0.3:
                del data[int(rng.integers(1, len(data))) :]
            try:
                result: Picture | str = decode(bytes(data), CROP)
            except Unusable as error:
                result = str(error)
            assert result if isinstance(result, str) else result.pixels.shape == (32, 32, 3)
