"""The zip of the StyleGAN tools: its form, and that it comes back exactly."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projgan.config.pictures import DataConfig
from projgan.data.archive import member_name, write_zip
from projgan.data.dataset import PreparedSet
from projgan.data.prepare import prepare
from projgan.errors import UsageError


def prepared_from(path: Path, out: Path) -> PreparedSet:
    return prepare(DataConfig(path=str(path), resolution=32), out)


@pytest.fixture
def prepared(picture_folder: Path, tmp_path: Path) -> PreparedSet:
    return prepared_from(picture_folder, tmp_path / "set")


def sort_into_classes(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        target = folder / ("ab"[int(path.stem[-1]) % 2]) / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)


def test_form_is_that_of_the_stylegan_tools(prepared: PreparedSet, tmp_path: Path) -> None:
    write_zip(prepared, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        names = archive.namelist()
        assert names == [f"00000/img{index:08d}.png" for index in range(24)] + ["dataset.json"]
        assert all(info.compress_type == zipfile.ZIP_STORED for info in archive.infolist())
        assert json.loads(archive.read("dataset.json")) == {"labels": None}
        data = archive.read(names[7])
    assert len(data) > 32 * 32 * 3, "compressed"
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(data))), prepared.pixels[7])
    assert member_name(12_345_678) == "12345/img12345678.png"


def test_the_way_there_and_back_is_exact(prepared: PreparedSet, tmp_path: Path) -> None:
    write_zip(prepared, tmp_path / "x.zip")
    again = prepared_from(tmp_path / "x.zip", tmp_path / "again")
    assert np.array_equal(again.pixels, prepared.pixels)
    assert again.labels is None


def test_labels_and_class_names_come_back(picture_folder: Path, tmp_path: Path) -> None:
    sort_into_classes(picture_folder)
    prepared = prepared_from(picture_folder, tmp_path / "set")
    write_zip(prepared, tmp_path / "x.zip")
    with zipfile.ZipFile(tmp_path / "x.zip") as archive:
        assert json.loads(archive.read("dataset.json"))["labels"][23] == [
            "00000/img00000023.png",
            1,
        ]
    again = prepared_from(tmp_path / "x.zip", tmp_path / "again")
    assert again.labels == prepared.labels == [0] * 12 + [1] * 12
    assert again.class_names == prepared.class_names == ["a", "b"]


def test_the_same_set_gives_the_same_bytes(prepared: PreparedSet, tmp_path: Path) -> None:
    write_zip(prepared, tmp_path / "x.zip")
    write_zip(prepared, tmp_path / "y.zip")
    assert (tmp_path / "x.zip").read_bytes() == (tmp_path / "y.zip").read_bytes()


def test_an_interrupted_zip_leaves_nothing(prepared: PreparedSet, tmp_path: Path) -> None:
    def interrupt(done: int, total: int) -> None:
        assert total == 24
        if done == 5:
            raise KeyboardInterrupt

    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        write_zip(prepared, tmp_path / "x.zip", progress=interrupt)
    assert sorted(tmp_path.iterdir()) == before


def test_an_existing_file_is_never_overwritten(prepared: PreparedSet, tmp_path: Path) -> None:
    (tmp_path / "x.zip").write_text("mine")
    with pytest.raises(UsageError, match="--overwrite"):
        write_zip(prepared, tmp_path / "x.zip")
    assert (tmp_path / "x.zip").read_text() == "mine"
