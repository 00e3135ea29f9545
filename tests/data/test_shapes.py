"""Prepared sets of rectangles, grey pictures and pictures with transparency."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projgan.config.pictures import DataConfig
from projgan.data import report
from projgan.data.archive import write_zip
from projgan.data.cache import listing_key
from projgan.data.dataset import Meta, PreparedSet
from projgan.data.decode import Rules, decode
from projgan.data.prepare import check, open_cached, prepare
from projgan.data.source import Entry, Listing
from projgan.errors import DataError, UsageError

GREEN = (0, 255, 0)


def encode(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def decoded(image: Image.Image, resolution: int | str, fit: str = "crop", mode: str = "rgb"):
    picture = decode(encode(image), Rules(resolution, fit, GREEN, mode))  # type: ignore[arg-type]
    return picture.pixels.astype(int), picture.facts


def ramp(width: int, height: int) -> Image.Image:
    """Red is the column and green the row, in steps of 2 or more a pixel."""
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    pixels = np.stack([columns * 255 // width, rows * 255 // height, 0 * rows], axis=2)
    return Image.fromarray(pixels.astype(np.uint8))


# Shapes.


@pytest.mark.parametrize(
    ("size", "kept"),
    [
        ((96, 64), (0, 0, 96, 64)),
        ((192, 64), (48, 0, 144, 64)),
        ((96, 96), (0, 16, 96, 80)),
        ((100, 64), (2, 0, 98, 64)),
    ],
)
def test_a_crop_is_the_largest_middle_part_of_the_ratio(
    size: tuple[int, int], kept: tuple[int, int, int, int]
) -> None:
    image = ramp(*size)
    pixels, _ = decoded(image, "96x64")
    assert np.array_equal(pixels, np.asarray(image.crop(kept)))


def test_a_crop_scales_to_the_size() -> None:
    pixels, facts = decoded(ramp(300, 128), "96x64")
    assert pixels.shape == (64, 96, 3)
    # 192 of 300 columns are left: 54 to 246, in steps of two.
    assert abs(pixels[:, 0, 0].mean() - 54.5 * 255 / 300) < 2
    assert abs(pixels[:, -1, 0].mean() - 244.5 * 255 / 300) < 2
    assert report.UPSCALED not in facts


@pytest.mark.parametrize(
    ("size", "box"),
    [((96, 32), (0, 16, 96, 48)), ((32, 64), (32, 0, 64, 64)), ((20, 40), (32, 0, 64, 64))],
)
def test_padding_puts_the_whole_picture_in_the_middle(
    size: tuple[int, int], box: tuple[int, int, int, int]
) -> None:
    pixels, _ = decoded(Image.new("RGB", size, "red"), "96x64", "pad")
    left, top, right, bottom = box
    assert (pixels[top:bottom, left:right] == (255, 0, 0)).all()
    pixels[top:bottom, left:right] = GREEN
    assert (pixels == GREEN).all()


def test_squashing_keeps_every_edge() -> None:
    pixels, _ = decoded(ramp(64, 128), "96x64", "squash")
    assert pixels.shape == (64, 96, 3)
    assert pixels[0, 0, :2].max() < 6 and pixels[-1, -1, :2].min() > 248


@pytest.mark.parametrize(
    ("size", "fit", "enlarged"),
    [
        ((96, 64), "crop", False),
        ((95, 64), "crop", True),
        ((64, 96), "crop", True),
        ((64, 96), "pad", False),
        ((95, 63), "pad", True),
        ((200, 63), "squash", True),
    ],
)
def test_enlarged_pictures_are_noticed(size: tuple[int, int], fit: str, enlarged: bool) -> None:
    _, facts = decoded(Image.new("RGB", size), "96x64", fit)
    assert (report.UPSCALED in facts) == enlarged


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_a_turned_picture_is_fitted_upright(kind: str) -> None:
    """Taken at 64x96, stored as 96x64 with the note to turn it: it needs no enlarging."""
    upright = ramp(64, 96)
    exif = Image.Exif()
    exif[0x0112] = 6
    stored = upright.transpose(Image.Transpose.ROTATE_90)
    picture = decode(encode(stored, kind, exif=exif), Rules("64x96", "crop", GREEN))
    assert np.array_equal(picture.pixels, np.asarray(upright))
    assert picture.facts == {report.ROTATED}


def test_a_large_sideways_jpeg_keeps_its_detail() -> None:
    """Drafting must not go below the size that the turned picture needs."""
    pixels = np.zeros((1024, 4096, 3), np.uint8)
    pixels[:, ::16] = pixels[:, 1::16] = pixels[:, 2::16] = pixels[:, 3::16] = 255
    exif = Image.Exif()
    exif[0x0112] = 6
    data = encode(Image.fromarray(pixels), "JPEG", quality=95, exif=exif)
    picture = decode(data, Rules("128x512", "crop", GREEN))
    rows = picture.pixels.astype(int).mean(axis=(1, 2))
    assert rows.std() > 20


# Grey.


def test_grey_is_luma() -> None:
    image = Image.new("RGB", (32, 32), (200, 100, 50))
    pixels, _ = decoded(image, 32, mode="grey")
    assert pixels.shape == (32, 32, 1)
    assert (pixels == round(0.299 * 200 + 0.587 * 100 + 0.114 * 50)).all()


def test_grey_files_keep_every_level_and_transparency_shows_the_background() -> None:
    levels = np.arange(1024, dtype=np.uint32).reshape(32, 32).astype(np.uint8)
    pixels, facts = decoded(Image.fromarray(levels), 32, mode="grey")
    assert np.array_equal(pixels[:, :, 0], levels) and report.GREY in facts
    clear, _ = decoded(Image.new("RGBA", (32, 32), (255, 0, 0, 0)), 32, mode="grey")
    assert (clear == 150).all()  # of GREEN


# Transparency.


def half_clear(side: int, hidden: tuple[int, int, int]) -> Image.Image:
    """Red and opaque on the left, transparent on the right, with a colour that nobody sees."""
    image = Image.new("RGBA", (side, side), (*hidden, 0))
    image.paste((255, 0, 0, 255), (0, 0, side // 2, side))
    return image


def test_alpha_is_kept_to_the_bit_where_nothing_is_resized() -> None:
    noise = np.random.default_rng(0).integers(0, 256, (32, 32, 4), dtype=np.uint8)
    pixels, facts = decoded(Image.fromarray(noise), 32, mode="rgba")
    assert np.array_equal(pixels, noise) and facts == {report.TRANSPARENT}


@pytest.mark.parametrize("hidden", [(0, 0, 255), (255, 255, 255), (0, 0, 0)])
def test_edges_have_no_fringe(hidden: tuple[int, int, int]) -> None:
    """What can be seen of an edge is red, whatever colour lies under the transparency."""
    pixels, _ = decoded(half_clear(95, hidden), 32, mode="rgba")
    alpha = pixels[:, :, 3]
    assert set(np.unique(alpha)) >= {0, 255} and ((alpha > 30) & (alpha < 225)).any()
    assert (np.abs(pixels[alpha > 30][:, :3] - (255, 0, 0)) <= 4).all()


def test_pictures_without_alpha_are_opaque() -> None:
    pixels, facts = decoded(Image.new("RGB", (40, 40), "red"), 32, mode="rgba")
    assert (pixels == (255, 0, 0, 255)).all() and facts == frozenset()
    pixels, facts = decoded(Image.new("RGBA", (40, 40), "red"), 32, mode="rgba")
    assert (pixels == (255, 0, 0, 255)).all() and facts == frozenset()


@pytest.mark.parametrize("mode", ["P", "LA", "1"])
def test_other_files_with_transparency(mode: str) -> None:
    image = half_clear(32, (0, 0, 0))
    if mode == "P":
        data = encode(image.quantize(4))
    elif mode == "LA":
        data = encode(image.convert("LA"))
    else:
        data = encode(Image.new("1", (32, 32), 1), transparency=1)
    picture = decode(data, Rules(32, "crop", GREEN, "rgba"))
    assert picture.pixels.shape == (32, 32, 4) and report.TRANSPARENT in picture.facts
    assert (picture.pixels[:, 20:, 3] == 0).all()


def test_padding_is_transparent() -> None:
    pixels, _ = decoded(Image.new("RGB", (32, 64), "red"), 64, "pad", "rgba")
    assert (pixels[:, :16, 3] == 0).all() and (pixels[:, 48:, 3] == 0).all()
    assert (pixels[:, 16:48] == (255, 0, 0, 255)).all()


def test_a_profile_changes_colours_and_not_alpha() -> None:
    from PIL import ImageCms

    plain = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    picture = decode(
        encode(half_clear(32, (0, 0, 0)), icc_profile=plain), Rules(32, "crop", GREEN, "rgba")
    )
    assert (picture.pixels[:, :16] == (255, 0, 0, 255)).all()
    assert (picture.pixels[:, 16:, 3] == 0).all()


# Sets.


@pytest.fixture
def clear_folder(tmp_path: Path) -> Path:
    folder = tmp_path / "clear pictures"
    folder.mkdir()
    for index in range(6):
        image = ramp(96, 64).convert("RGBA")
        image.putalpha(Image.new("L", (96, 64), 40 * index))
        image.save(folder / f"{index}.png")
    return folder


Config = Callable[..., DataConfig]


@pytest.fixture
def config(clear_folder: Path) -> Config:
    def make(**fields: object) -> DataConfig:
        chosen = {"path": str(clear_folder), "resolution": "96x64", "mode": "rgba"} | fields
        return DataConfig(**chosen)  # type: ignore[arg-type]

    return make


@pytest.mark.parametrize(
    ("resolution", "mode", "shape", "version"),
    [
        (32, "rgb", (6, 32, 32, 3), 1),
        (32, "grey", (6, 32, 32, 1), 2),
        ("96x64", "rgb", (6, 64, 96, 3), 2),
        ("64x96", "rgba", (6, 96, 64, 4), 2),
    ],
)
@pytest.mark.parametrize("resident", [False, True])
def test_a_set_comes_back(
    config: Config,
    tmp_path: Path,
    resolution: int | str,
    mode: str,
    shape: tuple[int, ...],
    version: int,
    resident: bool,
) -> None:
    made = prepare(config(resolution=resolution, mode=mode), tmp_path / "set")
    prepared = PreparedSet.open(tmp_path / "set")
    assert (prepared.resolution, prepared.mode) == (resolution, mode)
    assert prepared.pixels.shape == shape and prepared.fingerprint == made.fingerprint
    assert json.loads((tmp_path / "set/meta.json").read_text())["schema_version"] == version
    if resident:
        prepared.on_device("cpu", prepared.pixels.nbytes)
    images = prepared.images([2, 0], [False, True])
    assert images.shape == (2, shape[3], *shape[1:3])
    assert np.array_equal(images[0].permute(1, 2, 0).numpy(), prepared.pixels[2])
    assert np.array_equal(images[1].permute(1, 2, 0).numpy(), prepared.pixels[0][:, ::-1])


def test_every_size_and_mode_is_a_set_of_its_own(config: Config, tmp_path: Path) -> None:
    found = [
        open_cached(config(resolution=resolution, mode=mode), cache=tmp_path / "cache")
        for resolution in (64, "96x64", "64x96")
        for mode in ("rgb", "grey", "rgba")
    ]
    assert len({one.fingerprint for one in found}) == 9
    again = open_cached(config(resolution="64x96", mode="grey"), cache=tmp_path / "cache")
    assert again.folder == found[7].folder


def test_what_was_prepared_before_there_were_modes_is_still_found() -> None:
    """Pinned: as the first version of projgan computed them."""
    meta = Meta(
        resolution=64,
        fit="crop",
        background="#ffffff",
        rules_version=1,
        names=["a.png", "b.png"],
        hashes=["0" * 64, "1" * 64],
        labels=[0, 1],
        class_names=["x", "y"],
    )
    assert meta.fingerprint().startswith("b34a7cc9d2d78450")

    class Nowhere:
        path = Path("/nowhere")
        listing = Listing(entries=[Entry("a.png", 10, 20)])

    key = listing_key(Nowhere(), DataConfig(path="/nowhere", resolution=64))  # type: ignore[arg-type]
    assert key.startswith("3252cf39b7df3b66")


def test_a_set_without_a_mode_in_its_file_is_one_of_colours(config: Config, tmp_path: Path) -> None:
    prepare(config(resolution=32, mode="rgb"), tmp_path / "set")
    path = tmp_path / "set/meta.json"
    values = json.loads(path.read_text())
    del values["mode"]
    path.write_text(json.dumps(values))
    assert PreparedSet.open(tmp_path / "set").mode == "rgb"


@pytest.mark.parametrize(
    "change",
    [
        {"mode": "rgb"},
        {"mode": "cmyk"},
        {"mode": None},
        {"resolution": "64x96"},
        {"resolution": "096x64"},
        {"resolution": "96X64"},
        {"resolution": "96x"},
        {"resolution": [96, 64]},
        {"resolution": True},
    ],
    ids=str,
)
def test_meta_that_does_not_agree_is_damage(
    config: Config, tmp_path: Path, change: dict[str, object]
) -> None:
    prepare(config(), tmp_path / "set")
    path = tmp_path / "set/meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match="damaged"):
        PreparedSet.open(tmp_path / "set")


@pytest.mark.parametrize(
    ("asked", "way_out"),
    [
        ({"mode": "rgb"}, "use --resolution 96x64 --mode rgba,"),
        ({"resolution": 64}, "use --resolution 96x64,"),
        ({"resolution": "64x96"}, "use --resolution 96x64,"),
    ],
)
def test_a_prepared_set_of_another_kind_is_refused(
    config: Config, tmp_path: Path, asked: dict[str, object], way_out: str
) -> None:
    prepare(config(), tmp_path / "set")
    assert len(open_cached(config(path=str(tmp_path / "set")))) == 6
    with pytest.raises(DataError, match="has 96x64 px, rgba, not") as caught:
        open_cached(config(path=str(tmp_path / "set"), **asked))
    assert caught.value.next_command.startswith(way_out)


def test_a_set_in_which_nothing_is_transparent_says_so(
    config: Config, picture_folder: Path
) -> None:
    warning = "no picture has transparency"
    found = check(config(path=str(picture_folder), resolution=32))
    assert any(warning in line for line in found.sentences("rgba"))
    assert not any(warning in line for line in found.sentences())
    assert not any(warning in line for line in check(config()).sentences("rgba"))


def test_a_zip_of_grey_comes_back_and_one_of_transparency_is_refused(
    config: Config, tmp_path: Path
) -> None:
    grey = prepare(config(mode="grey"), tmp_path / "grey")
    write_zip(grey, tmp_path / "grey.zip")
    again = prepare(config(path=str(tmp_path / "grey.zip"), mode="grey"), tmp_path / "again")
    assert np.array_equal(again.pixels, grey.pixels)
    clear = prepare(config(), tmp_path / "clear")
    with pytest.raises(UsageError, match="no transparency"):
        write_zip(clear, tmp_path / "clear.zip")
    assert not (tmp_path / "clear.zip").exists()
