"""A prepared set: batches as training wants them, and damage noticed on opening."""

from __future__ import annotations

import json
import os
from pathlib import Path

import numpy as np
import pytest
import torch

from projgan.config.pictures import DataConfig
from projgan.data.dataset import PreparedSet, compare, is_prepared
from projgan.data.prepare import prepare
from projgan.errors import DataError


@pytest.fixture
def prepared(picture_folder: Path, tmp_path: Path) -> PreparedSet:
    return prepare(DataConfig(path=str(picture_folder), resolution=32), tmp_path / "out")


@pytest.mark.parametrize("resident", [False, True])
def test_images_are_gathered_mirrored_and_channels_last(
    prepared: PreparedSet, resident: bool
) -> None:
    if resident:
        prepared.on_device("cpu", prepared.pixels.nbytes)
    indices, flips = np.array([5, 0, 5, 23]), np.array([False, True, True, False])
    images = prepared.images(indices, flips)
    assert images.dtype == torch.uint8 and images.shape == (4, 3, 32, 32)
    assert images.is_contiguous(memory_format=torch.channels_last)
    for image, index, flip in zip(images, indices, flips, strict=True):
        expected = prepared.pixels[index][:, ::-1] if flip else prepared.pixels[index]
        assert np.array_equal(image.permute(1, 2, 0).numpy(), expected)


@pytest.mark.parametrize("resident", [False, True])
def test_a_batch_may_be_changed_without_harm_to_the_set(
    prepared: PreparedSet, resident: bool
) -> None:
    if resident:
        prepared.on_device("cpu", prepared.pixels.nbytes)
    before = prepared.images([3]).clone()
    prepared.images([3]).zero_()
    assert torch.equal(prepared.images([3]), before)


def test_pixels_stay_on_disk_when_they_do_not_fit(prepared: PreparedSet) -> None:
    prepared.on_device("cpu", prepared.pixels.nbytes - 1)
    assert prepared._resident is None
    prepared.on_device("cpu", prepared.pixels.nbytes)
    assert prepared._resident is not None


@pytest.mark.parametrize("indices", [[24], [-1]])
def test_indices_outside_the_set_are_our_mistake(prepared: PreparedSet, indices: list[int]) -> None:
    with pytest.raises(AssertionError, match="out of range"):
        prepared.images(indices)


def test_pixels_cannot_be_written(prepared: PreparedSet) -> None:
    with pytest.raises(ValueError, match="read-only"):
        prepared.pixels[0] = 0


def test_opening_again_gives_the_same(prepared: PreparedSet) -> None:
    again = PreparedSet.open(prepared.folder)
    assert is_prepared(prepared.folder)
    assert (again.names, again.hashes, again.fingerprint) == (
        prepared.names,
        prepared.hashes,
        prepared.fingerprint,
    )
    assert again.report == prepared.report and np.array_equal(again.pixels, prepared.pixels)


@pytest.mark.parametrize("size", [0, 24 * 32 * 32 * 3 - 1, 24 * 32 * 32 * 3 + 1])
def test_pixels_of_a_wrong_size_are_damage(prepared: PreparedSet, size: int) -> None:
    os.truncate(prepared.folder / "pixels.bin", size)
    with pytest.raises(DataError, match=f"has {size} bytes instead of 73728"):
        PreparedSet.open(prepared.folder)


@pytest.mark.parametrize("name", ["pixels.bin", "meta.json"])
def test_a_missing_file_is_damage(prepared: PreparedSet, name: str) -> None:
    (prepared.folder / name).unlink()
    assert not is_prepared(prepared.folder)
    with pytest.raises(DataError, match=f"damaged: {name}"):
        PreparedSet.open(prepared.folder)


@pytest.mark.parametrize(
    "change",
    [
        {"count": 23},
        {"names": ["a"] * 23},
        {"names": [1] * 24},
        {"names": 3},
        {"hashes": []},
        {"resolution": 33},
        {"resolution": "32"},
        {"labels": [0] * 24},
        {"labels": [-1] * 24, "class_names": ["a"]},
        {"fingerprint": "0" * 64},
        {"background": "#000000"},
        {"report": {}},
        {"report": None},
    ],
    ids=str,
)
def test_meta_that_does_not_agree_is_damage(
    prepared: PreparedSet, change: dict[str, object]
) -> None:
    path = prepared.folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(DataError, match="damaged"):
        PreparedSet.open(prepared.folder)


@pytest.mark.parametrize("text", ["", "[]", "null", "[" * 100_000, "\x00"])
def test_meta_that_is_no_meta_is_damage(prepared: PreparedSet, text: str) -> None:
    (prepared.folder / "meta.json").write_text(text)
    with pytest.raises(DataError, match="damaged"):
        PreparedSet.open(prepared.folder)


def test_sets_of_another_version_say_so(prepared: PreparedSet) -> None:
    path = prepared.folder / "meta.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"schema_version": 99}))
    with pytest.raises(DataError, match="schema version 99"):
        PreparedSet.open(prepared.folder)


def test_compare_counts_what_changed(prepared: PreparedSet) -> None:
    old = dict(zip(prepared.names, prepared.hashes, strict=True))
    assert compare(old, prepared) == "0 added, 0 removed, 0 changed"
    del old["disc-00.png"], old["disc-01.png"], old["disc-02.png"]
    old |= {"gone.png": "0" * 64, "disc-05.png": "1" * 64, "disc-06.png": "2" * 64}
    assert compare(old, prepared) == "3 added, 1 removed, 2 changed"
