"""Near-duplicates among small copies: which are found, and which are not taken for some."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image, ImageEnhance, ImageOps

from projgan.data.drawn import draw_picture
from projgan.workflows.doctor import alike
from projgan.workflows.doctor.alike import compared, find_groups

FLOWERS = [draw_picture(0, index, 96) for index in range(40)]


def small(*pictures: Image.Image) -> np.ndarray:
    return np.stack([np.asarray(one.resize((32, 32), Image.Resampling.BOX)) for one in pictures])


def as_jpeg(picture: Image.Image, quality: int) -> Image.Image:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return Image.open(buffer).convert("RGB")


CHANGES = {
    "saved again": lambda picture: as_jpeg(picture, 50),
    "made smaller": lambda picture: picture.resize((48, 48)),
    "lighter": lambda picture: ImageEnhance.Brightness(picture).enhance(1.15),
    "less contrast": lambda picture: ImageEnhance.Contrast(picture).enhance(0.7),
}


def test_flowers_are_all_different() -> None:
    assert find_groups(small(*FLOWERS)) == []


@pytest.mark.parametrize("change", CHANGES, ids=str)
def test_a_changed_copy_is_found(change: str) -> None:
    (group,) = find_groups(small(*FLOWERS, CHANGES[change](FLOWERS[7])))
    assert (group.indices, group.mirrored) == ((7, 40), ())


def test_mirrored_copies_and_groups_of_several() -> None:
    flipped = ImageOps.mirror(FLOWERS[3])
    groups = find_groups(small(*FLOWERS, flipped, as_jpeg(FLOWERS[3], 60), as_jpeg(FLOWERS[9], 60)))
    assert [group.indices for group in groups] == [(3, 40, 41), (9, 42)]
    assert groups[0].mirrored == ((3, 40), (40, 41)) and groups[1].mirrored == ()


def test_plain_pictures_are_not_alike() -> None:
    assert (
        find_groups(small(*(Image.new("RGB", (32, 32), c) for c in ("red", "blue", "red")))) == []
    )


def test_large_sets_are_thinned_out(monkeypatch: pytest.MonkeyPatch) -> None:
    assert compared(7).tolist() == list(range(7)) and compared(0).tolist() == []
    monkeypatch.setattr(alike, "COMPARED_MOST", 5)
    assert compared(10).tolist() == [0, 2, 4, 6, 8]
