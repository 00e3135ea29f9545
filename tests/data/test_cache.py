"""The cache: a second use reads no picture, and damage is repaired."""

from __future__ import annotations

import json
import os
import shutil
import zipfile
from pathlib import Path

import pytest
from PIL import Image

from projgan.config.pictures import DataConfig
from projgan.data.cache import default_cache
from projgan.data.dataset import PreparedSet
from projgan.data.prepare import open_cached, prepare
from projgan.errors import DataError, UsageError


class Progress:
    """Counts the pictures that were prepared."""

    def __init__(self) -> None:
        self.done = 0

    def __call__(self, done: int, total: int) -> None:
        self.done += 1


def opened(path: Path, cache: Path, **changes: object) -> tuple[PreparedSet, int]:
    """The set, and how many pictures were decoded for it."""
    progress = Progress()
    config = DataConfig(**({"path": str(path), "resolution": 32} | changes))  # type: ignore[arg-type]
    return open_cached(config, cache=cache, progress=progress), progress.done


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def test_the_second_use_reads_no_picture(
    picture_folder: Path, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, decoded = opened(picture_folder, cache)
    assert decoded == 24

    def no_read(self: object, name: str) -> bytes:
        raise AssertionError(f"{name} was read")

    monkeypatch.setattr("projgan.data.scan.FolderSource.read", no_read)
    again, decoded = opened(picture_folder, cache)
    assert decoded == 0
    assert again.fingerprint == first.fingerprint and (again.pixels == first.pixels).all()
    assert again.report == first.report


def test_mirror_is_no_matter_of_pixels_but_other_settings_are(
    picture_folder: Path, cache: Path
) -> None:
    opened(picture_folder, cache)
    assert opened(picture_folder, cache, mirror=True)[1] == 0
    assert opened(picture_folder, cache, fit="pad")[1] == 24
    assert opened(picture_folder, cache, resolution=64)[1] == 24


@pytest.mark.parametrize("change", ["add", "remove", "edit", "labels"])
def test_a_changed_folder_is_noticed(picture_folder: Path, cache: Path, change: str) -> None:
    first, _ = opened(picture_folder, cache)
    if change == "add":
        Image.new("RGB", (40, 40)).save(picture_folder / "new.png")
    elif change == "remove":
        (picture_folder / "disc-00.png").unlink()
    elif change == "edit":
        Image.new("RGB", (48, 48)).save(picture_folder / "disc-00.png")
    else:
        pairs = ", ".join(f'["disc-{index:02d}.png", 0]' for index in range(24))
        (picture_folder / "dataset.json").write_text(f'{{"labels": [{pairs}]}}')
    again, decoded = opened(picture_folder, cache)
    assert decoded == len(again) > 0
    assert again.fingerprint != first.fingerprint


def test_touched_and_moved_pictures_share_one_set(
    picture_folder: Path, cache: Path, tmp_path: Path
) -> None:
    opened(picture_folder, cache)
    os.utime(picture_folder / "disc-00.png", (1, 1))
    opened(picture_folder, cache)
    picture_folder.rename(tmp_path / "moved")
    opened(tmp_path / "moved", cache)
    assert len(list((cache / "sets").iterdir())) == 1
    assert len(list((cache / "listings").iterdir())) == 3


def test_each_source_keeps_its_own_report(
    picture_folder: Path, cache: Path, tmp_path: Path
) -> None:
    shutil.copytree(picture_folder, tmp_path / "copy")
    (tmp_path / "copy/bad.png").touch()
    assert not opened(picture_folder, cache)[0].report.rejected
    for decoded in (25, 0):
        spoilt, count = opened(tmp_path / "copy", cache, max_bad=0.1)
        assert count == decoded
        assert list(spoilt.report.rejected) == ["bad.png"]
    # A stricter limit holds for cached pictures too.
    with pytest.raises(DataError, match="1 of 25 pictures cannot be used"):
        opened(tmp_path / "copy", cache, max_bad=0.01)


@pytest.mark.parametrize("damage", ["pixels", "meta", "listing", "gone"])
def test_a_damaged_cache_is_made_again(picture_folder: Path, cache: Path, damage: str) -> None:
    first, _ = opened(picture_folder, cache)
    if damage == "pixels":
        os.truncate(first.folder / "pixels.bin", 100)
    elif damage == "meta":
        (first.folder / "meta.json").write_text("{}")
    elif damage == "listing":
        next((cache / "listings").iterdir()).write_text('{"fingerprint": 3}')
    else:
        shutil.rmtree(first.folder)
    again, decoded = opened(picture_folder, cache)
    assert decoded == 24 and again.fingerprint == first.fingerprint
    assert opened(picture_folder, cache)[1] == 0


def test_a_vanished_source_is_found_by_its_fingerprint(picture_folder: Path, cache: Path) -> None:
    fingerprint = opened(picture_folder, cache)[0].fingerprint
    shutil.rmtree(picture_folder)
    config = DataConfig(path=str(picture_folder), resolution=32)
    assert len(open_cached(config, cache=cache, fingerprint=fingerprint)) == 24
    for unknown in ("", "0" * 64, "../../etc"):
        with pytest.raises(DataError, match="no such folder"):
            open_cached(config, cache=cache, fingerprint=unknown)


def test_renamed_classes_share_the_set_and_keep_their_names(
    picture_folder: Path, cache: Path
) -> None:
    names = sorted(path.name for path in picture_folder.iterdir())
    content = {"labels": [[name, index % 2] for index, name in enumerate(names)]}
    sets = []
    for class_names in (["even", "odd"], ["straight", "strange"]):
        text = json.dumps(content | {"class_names": class_names})
        (picture_folder / "dataset.json").write_text(text)
        for _ in range(2):  # fresh, and from the cache
            prepared = opened(picture_folder, cache)[0]
            assert prepared.class_names == class_names
        sets.append(prepared.folder)
    assert sets[0] == sets[1]


def test_a_zip_is_cached_too(picture_folder: Path, cache: Path, tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        for path in sorted(picture_folder.iterdir()):
            archive.write(path, path.name)
    zipped, decoded = opened(tmp_path / "x.zip", cache)
    assert decoded == 24
    assert opened(tmp_path / "x.zip", cache)[1] == 0
    assert zipped.fingerprint == opened(picture_folder, cache)[0].fingerprint


def test_a_prepared_set_is_opened_as_it_is(
    picture_folder: Path, cache: Path, tmp_path: Path
) -> None:
    prepare(DataConfig(path=str(picture_folder), resolution=32), tmp_path / "out")
    assert len(opened(tmp_path / "out", cache)[0]) == 24
    assert not cache.exists()
    with pytest.raises(DataError, match="32 px, not 64 px"):
        opened(tmp_path / "out", cache, resolution=64)


def test_a_failed_preparation_leaves_nothing_in_the_cache(
    picture_folder: Path, cache: Path
) -> None:
    (picture_folder / "bad.png").touch()
    with pytest.raises(DataError):
        opened(picture_folder, cache)
    assert list((cache / "sets").iterdir()) == []


def test_a_cache_inside_the_pictures_is_refused(picture_folder: Path) -> None:
    with pytest.raises(UsageError, match="PROJGAN_CACHE"):
        opened(picture_folder, picture_folder / "cache")
    assert len(list(picture_folder.iterdir())) == 24


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("PROJGAN_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert default_cache() == tmp_path / ".cache/projgan"
    monkeypatch.setenv("XDG_CACHE_HOME", "/x")
    assert default_cache() == Path("/x/projgan")
    monkeypatch.setenv("PROJGAN_CACHE", "/own")
    assert default_cache() == Path("/own")
