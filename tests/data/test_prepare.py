"""Preparing: right content, nothing half-written, the source untouched, memory bounded."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import threading
import time
import warnings
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projgan.config.pictures import DataConfig
from projgan.data import report
from projgan.data.decode import Rules
from projgan.data.judge import IN_FLIGHT_PER_WORKER, Judged, Verdict, judge_all
from projgan.data.prepare import check, prepare
from projgan.data.source import Entry, Listing
from projgan.errors import DataError, ResourceError, UsageError


def config(path: Path, **changes: object) -> DataConfig:
    return DataConfig(**({"path": str(path), "resolution": 32} | changes))  # type: ignore[arg-type]


def tree_hash(folder: Path) -> str:
    """Of all names, contents and times below `folder`."""
    digest = hashlib.sha256()
    for path in sorted(folder.rglob("*")):
        digest.update(f"{path}{path.lstat().st_mtime_ns}".encode())
        digest.update(path.read_bytes() if path.is_file() else b"")
    return digest.hexdigest()


def test_pixels_and_names_are_those_of_the_pictures(picture_folder: Path, tmp_path: Path) -> None:
    prepared = prepare(config(picture_folder), tmp_path / "out")
    assert len(prepared) == 24 and prepared.resolution == 32
    assert prepared.names == [f"disc-{index:02d}.png" for index in range(24)]
    for index, name in enumerate(prepared.names):
        path = picture_folder / name
        expected = Image.open(path).resize((32, 32), Image.Resampling.LANCZOS)
        assert np.array_equal(prepared.pixels[index], np.asarray(expected))
        assert prepared.hashes[index] == hashlib.sha256(path.read_bytes()).hexdigest()
    assert prepared.labels is None and prepared.class_names is None
    assert prepared.report.sentences() == ["24 of 24 pictures used"]
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["meta.json", "pixels.bin"]


def test_the_source_is_untouched_and_progress_counts(picture_folder: Path, tmp_path: Path) -> None:
    before = tree_hash(picture_folder)
    seen: list[tuple[int, int]] = []
    prepare(
        config(picture_folder),
        tmp_path / "out",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert tree_hash(picture_folder) == before
    assert seen == [(done, 24) for done in range(1, 25)]


@pytest.mark.parametrize("workers", [1, 5])
def test_the_number_of_workers_changes_nothing(
    picture_folder: Path, tmp_path: Path, workers: int
) -> None:
    two = prepare(config(picture_folder), tmp_path / "two")
    other = prepare(config(picture_folder), tmp_path / "other", workers=workers)
    for name in ("pixels.bin", "meta.json"):
        assert (two.folder / name).read_bytes() == (other.folder / name).read_bytes()


def test_one_picture_is_a_set(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    Image.new("RGB", (40, 40)).save(tmp_path / "in/a.png")
    assert len(prepare(config(tmp_path / "in"), tmp_path / "out")) == 1


def test_sub_folders_become_labels(picture_folder: Path, tmp_path: Path) -> None:
    for index, path in enumerate(sorted(picture_folder.iterdir())):
        target = picture_folder / ("odd" if index % 2 else "even") / path.name
        target.parent.mkdir(exist_ok=True)
        path.rename(target)
    prepared = prepare(config(picture_folder), tmp_path / "out")
    assert prepared.class_names == ["even", "odd"]
    assert prepared.labels == [0] * 12 + [1] * 12


def test_dataset_json_wins_over_sub_folders(picture_folder: Path, tmp_path: Path) -> None:
    names = sorted(path.name for path in picture_folder.iterdir())
    for name in names:
        (picture_folder / name[5]).mkdir(exist_ok=True)
        (picture_folder / name).rename(picture_folder / name[5] / name)
    pairs = [[f"{name[5]}/{name}", index % 3] for index, name in enumerate(names)]
    (picture_folder / "dataset.json").write_text(json.dumps({"labels": pairs}))
    assert prepare(config(picture_folder), tmp_path / "a").labels == [
        index % 3 for index in range(24)
    ]
    (picture_folder / "dataset.json").write_text('{"labels": null}')
    assert prepare(config(picture_folder), tmp_path / "b").labels is None


def spoil(folder: Path) -> dict[str, str]:
    """Bad files of every kind, with what the reason must say."""
    Image.new("RGB", (10, 99)).save(folder / "tiny.png")
    (folder / "text.jpg").write_text("Dear friend")
    (folder / "empty.webp").touch()
    Image.new("RGB", (40, 40)).save(folder / "refused.png", "PPM")
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)).save(
        folder / "cut.jpg"
    )
    (folder / "cut.jpg").write_bytes((folder / "cut.jpg").read_bytes()[:900])
    return {
        "tiny.png": "too small",
        "text.jpg": "not an intact",
        "empty.webp": "empty",
        "refused.png": "not an intact",
        "cut.jpg": "truncated",
    }


def test_bad_pictures_are_left_out_by_name_and_reason(picture_folder: Path, tmp_path: Path) -> None:
    expected = spoil(picture_folder)
    prepared = prepare(config(picture_folder, max_bad=0.5), tmp_path / "out")
    assert len(prepared) == 24 and prepared.report.found == 29
    assert sorted(prepared.report.rejected) == sorted(expected)
    for name, reason in expected.items():
        assert reason in prepared.report.rejected[name]
    assert check(config(picture_folder)) == prepared.report


def test_too_many_bad_pictures_are_an_error_that_names_them(
    picture_folder: Path, tmp_path: Path
) -> None:
    spoil(picture_folder)
    (picture_folder / "a\nb.png").touch()
    with pytest.raises(DataError) as caught:
        prepare(config(picture_folder), tmp_path / "out")
    lines = caught.value.lines()
    assert caught.value.exit_code == 3 and len(lines) <= 6
    assert "6 of 30 pictures cannot be used" in lines[0] and "--max-bad 0.201" in lines[0]
    assert lines[1] == "a\\nb.png: is empty"
    assert lines[2].startswith("cut.jpg: is damaged")
    assert sorted(tmp_path.iterdir()) == [picture_folder]
    assert len(prepare(config(picture_folder, max_bad=0.201), tmp_path / "out")) == 24


def test_a_set_without_one_good_picture_is_an_error_at_any_limit(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in/a.png").touch()
    with pytest.raises(DataError, match="1 of 1 pictures cannot be used"):
        prepare(config(tmp_path / "in", max_bad=1.0), tmp_path / "out")


@pytest.mark.parametrize("dedupe", [False, True])
def test_exact_duplicates_are_reported_and_dropped_on_request(
    picture_folder: Path, tmp_path: Path, dedupe: bool
) -> None:
    shutil.copy(picture_folder / "disc-03.png", picture_folder / "again.png")
    shutil.copy(picture_folder / "disc-03.png", picture_folder / "zz.png")
    prepared = prepare(config(picture_folder, dedupe=dedupe, max_bad=0.0), tmp_path / "out")
    assert [list(group) for group in prepared.report.duplicates] == [
        ["again.png", "disc-03.png", "zz.png"]
    ]
    assert len(prepared) == (24 if dedupe else 26)
    assert prepared.report.dropped == (2 if dedupe else 0)
    assert ("disc-03.png" in prepared.names) == (not dedupe)


def test_facts_and_doubts_are_counted(picture_folder: Path, tmp_path: Path) -> None:
    Image.new("CMYK", (40, 40), (9, 9, 9, 9)).save(picture_folder / "ink.jpg")
    Image.new("L", (20, 20)).save(picture_folder / "small-grey.png")
    found = check(config(picture_folder))
    assert found.facts == {report.CMYK: 1, report.GREY: 1, report.UPSCALED: 1}
    assert list(found.doubtful) == ["ink.jpg"]
    assert found.upscaled == 1


def test_odd_names_survive_the_way_through_json(tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    odd = [b"caf\xe9.png", b"new\nline.png", "\U0001f600.png".encode()]
    for index, name in enumerate(odd):
        Image.new("RGB", (40, 40), (index, 0, 0)).save(tmp_path / "a.png")
        os.rename(tmp_path / "a.png", os.fsencode(tmp_path) + b"/in/" + name)
    prepared = prepare(config(tmp_path / "in"), tmp_path / "out")
    assert [os.fsencode(name) for name in prepared.names] == sorted(odd, key=os.fsdecode)
    assert (tmp_path / "out/meta.json").read_bytes().isascii()


def test_the_fingerprint_follows_content_and_settings_not_place(
    picture_folder: Path, tmp_path: Path
) -> None:
    def fingerprint(folder: Path, **changes: object) -> str:
        out = tmp_path / "out"
        try:
            return prepare(config(folder, **changes), out).fingerprint
        finally:
            shutil.rmtree(out)

    first = fingerprint(picture_folder)
    moved = tmp_path / "elsewhere"
    picture_folder.rename(moved)
    assert fingerprint(moved) == first
    assert fingerprint(moved, mirror=True, max_bad=0.3) == first
    others = [
        fingerprint(moved, resolution=64),
        fingerprint(moved, fit="pad"),
        fingerprint(moved, background="#000000"),
    ]
    (moved / "disc-00.png").rename(moved / "disc-0.png")
    others.append(fingerprint(moved))
    Image.new("RGB", (40, 40)).save(moved / "disc-01.png")
    others.append(fingerprint(moved))
    assert len({first, *others}) == 6


@pytest.mark.parametrize("kind", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_preparation_leaves_nothing(
    picture_folder: Path, tmp_path: Path, kind: type[BaseException]
) -> None:
    def interrupt(done: int, total: int) -> None:
        assert len(list(tmp_path.iterdir())) == 2, "there must be something to clean up"
        if done == 5:
            raise kind

    threads = threading.active_count()
    with pytest.raises(kind):
        prepare(config(picture_folder), tmp_path / "out", progress=interrupt)
    assert list(tmp_path.iterdir()) == [picture_folder]
    assert threading.active_count() == threads


def test_a_full_disk_is_a_resource_error_and_leaves_nothing(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(ResourceError, match="No space left"):
            prepare(config(picture_folder), tmp_path / "out")
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10**9, 10**9 - 1000, 1000))
    with pytest.raises(ResourceError, match="the pixels take 0 MB, and only 0 MB are free"):
        prepare(config(picture_folder), tmp_path / "out")
    assert list(tmp_path.iterdir()) == [picture_folder]


def test_a_failed_write_ends_the_decoding_at_once(
    picture_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(self: Verdict, judged: Judged, *, dedupe: bool) -> bool:
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Verdict, "add", fail)
    threads, filters = threading.active_count(), list(warnings.filters)
    with pytest.raises(ResourceError, match="Input/output error") as caught:
        prepare(config(picture_folder), tmp_path / "out")
    assert caught.value.exit_code == 5  # and its traceback keeps the frames alive until here
    assert threading.active_count() == threads
    assert list(warnings.filters) == filters
    assert list(tmp_path.iterdir()) == [picture_folder]


def test_existing_outputs_are_never_touched(picture_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "out").mkdir()
    (tmp_path / "file").write_text("mine")
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    before = tree_hash(tmp_path)
    for name in ("out", "file", "link"):
        with pytest.raises(UsageError, match="--overwrite"):
            prepare(config(picture_folder), tmp_path / name)
    assert tree_hash(tmp_path) == before


def test_an_output_inside_the_source_is_refused(picture_folder: Path, tmp_path: Path) -> None:
    (tmp_path / "alias").symlink_to(picture_folder)
    before = tree_hash(picture_folder)
    for out in (picture_folder / "out", picture_folder / "deep/er/out", tmp_path / "alias/out"):
        with pytest.raises(UsageError, match="into the folder of pictures"):
            prepare(config(picture_folder), out)
    assert tree_hash(picture_folder) == before


def test_a_prepared_set_is_not_prepared_again(picture_folder: Path, tmp_path: Path) -> None:
    prepare(config(picture_folder), tmp_path / "out")
    with pytest.raises(UsageError, match="prepared already"):
        prepare(config(tmp_path / "out"), tmp_path / "again")


def test_a_picture_that_changes_meanwhile_is_hashed_as_decoded(
    picture_folder: Path, tmp_path: Path
) -> None:
    def swap(done: int, total: int) -> None:
        if done == 1:
            Image.new("RGB", (32, 32), (1, 2, 3)).save(picture_folder / "disc-23.png")

    prepared = prepare(config(picture_folder), tmp_path / "out", progress=swap)
    assert (prepared.pixels[23] == (1, 2, 3)).all()
    assert (
        prepared.hashes[23]
        == hashlib.sha256((picture_folder / "disc-23.png").read_bytes()).hexdigest()
    )


class CountingSource:
    """Endless supply of one picture, which counts how far reading runs ahead of the reader."""

    def __init__(self, data: bytes, count: int) -> None:
        self.path = Path("counting")
        self.listing = Listing([Entry(f"{index:04d}.png", len(data), 0) for index in range(count)])
        self.started = 0
        self.order: list[str] = []
        self._data = data
        self._lock = threading.Lock()

    def read(self, name: str) -> bytes:
        with self._lock:
            self.started += 1
        time.sleep(0.002 * (int(name[:4]) % 3))  # so that they finish out of order
        return self._data

    def close(self) -> None:
        """Nothing to close."""


def test_few_pictures_are_in_flight_and_order_is_kept(picture_folder: Path) -> None:
    source = CountingSource((picture_folder / "disc-00.png").read_bytes(), 60)
    names, ahead = [], []
    for taken, judged in enumerate(judge_all(source, Rules(32, "crop", (0, 0, 0)), workers=3)):
        names.append(judged.name)
        time.sleep(0.003)  # a slow disk
        ahead.append(source.started - taken)
    assert names == [entry.name for entry in source.listing.entries]
    assert 3 <= max(ahead) <= 3 * IN_FLIGHT_PER_WORKER
