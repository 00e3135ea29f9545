"""Zips: read in place, bounded, and refused when they try to reach outside."""

from __future__ import annotations

import stat
import struct
import zipfile
from pathlib import Path

import numpy as np
import pytest

from projgan.data.report import Unusable
from projgan.data.scan import open_source
from projgan.data.zipped import ZipSource
from projgan.errors import DataError, RefusedError


def make_zip(
    path: Path, members: dict[str, bytes], *, compression: int = zipfile.ZIP_DEFLATED
) -> Path:
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def test_members_are_listed_and_read(tmp_path: Path) -> None:
    members = {
        "b/2.png": b"two",
        "a.jpg": b"one",
        "b/": b"",
        "notes.txt": b"",
        "dataset.json": b"{}",
    }
    hidden = {"__MACOSX/a.jpg": b"", "b/._2.png": b"", ".hidden/c.png": b""}
    source = ZipSource(make_zip(tmp_path / "x.zip", members | hidden))
    assert [entry.name for entry in source.listing.entries] == ["a.jpg", "b/2.png"]
    assert source.read("b/2.png") == b"two"
    assert source.listing.has_labels
    assert source.listing.other_types == {".txt": 1}
    source.close()


@pytest.mark.parametrize(
    "name", ["/etc/a.png", "../a.png", "b/../../a.png", "C:/a.png", "..\\a.png", "\\a.png"]
)
def test_names_that_lead_outside_are_refused(tmp_path: Path, name: str) -> None:
    path = make_zip(tmp_path / "x.zip", {"good.png": b"", name: b""})
    with pytest.raises(RefusedError, match="leads outside"):
        open_source(str(path))
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("kind", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_links_and_devices_are_refused(tmp_path: Path, kind: int) -> None:
    info = zipfile.ZipInfo("a.png")
    info.external_attr = (kind | 0o644) << 16
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as archive:
        archive.writestr(info, "/etc/passwd")
    with pytest.raises(RefusedError, match="link or a device"):
        open_source(str(tmp_path / "x.zip"))


def test_a_bomb_is_rejected_before_it_expands(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"a.png": bytes(50_000_000)})
    assert path.stat().st_size < 60_000
    with pytest.raises(Unusable, match="expands more than 1000 times"):
        ZipSource(path).read("a.png")


def test_caps_on_member_size_and_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = make_zip(tmp_path / "x.zip", {"a.png": b"12345678901", "b.png": b""})
    monkeypatch.setattr("projgan.data.source.MAX_FILE_BYTES", 10)
    with pytest.raises(Unusable, match="larger than"):
        ZipSource(path).read("a.png")
    monkeypatch.setattr("projgan.data.zipped.MAX_MEMBERS", 1)
    with pytest.raises(RefusedError, match="more than 1 members"):
        ZipSource(path)


def test_a_damaged_member_is_rejected_and_the_others_are_read(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"a.png": b"A" * 40, "b.png": b"B" * 40}, compression=0)
    path.write_bytes(path.read_bytes().replace(b"AAAA", b"AAXA", 1))
    source = ZipSource(path)
    with pytest.raises(Unusable, match="cannot be unpacked"):
        source.read("a.png")
    assert source.read("b.png") == b"B" * 40


def test_an_encrypted_member_is_rejected(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"a.png": b"A" * 40}, compression=0)
    data = bytearray(path.read_bytes())
    central = data.index(b"PK\x01\x02")
    data[6] |= 1
    data[central + 8] |= 1
    path.write_bytes(data)
    with pytest.raises(Unusable, match="encrypted"):
        ZipSource(path).read("a.png")


def test_the_first_of_two_members_of_one_name_counts(tmp_path: Path) -> None:
    with (
        zipfile.ZipFile(tmp_path / "x.zip", "w") as archive,
        pytest.warns(UserWarning, match="Duplicate"),
    ):
        archive.writestr("a.png", b"first")
        archive.writestr("a.png", b"second")
    source = ZipSource(tmp_path / "x.zip")
    assert source.read("a.png") == b"first"
    assert source.listing.skipped == {"members whose name came before": 1}


def test_a_zip_without_pictures_says_what_it_holds(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"1 \.txt"):
        open_source(str(make_zip(tmp_path / "x.zip", {"a.txt": b""})))


def test_a_truncated_zip_is_a_data_error(tmp_path: Path) -> None:
    path = make_zip(tmp_path / "x.zip", {"a.png": b"A" * 1000})
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="not an intact zip"):
        open_source(str(path))


def test_mutated_zips_end_in_named_errors_only(tmp_path: Path) -> None:
    original = make_zip(
        tmp_path / "x.zip", {"a.png": b"A" * 99, "b/c.jpg": b"B" * 99, "dataset.json": b"{}"}
    ).read_bytes()
    rng = np.random.default_rng(0)
    for _ in range(300):
        data = bytearray(original)
        for position in rng.integers(0, len(data), rng.integers(1, 5)):
            data[position] = rng.integers(0, 256)
        if rng.random() < 0.2:
            struct.pack_into("<I", data, int(rng.integers(0, len(data) - 4)), 0xFFFFFFFF)
        (tmp_path / "m.zip").write_bytes(data)
        try:
            source = open_source(str(tmp_path / "m.zip"))
        except (DataError, RefusedError):
            continue
        for entry in source.listing.entries:
            try:
                source.read(entry.name)
            except Unusable as reason:
                assert str(reason)
        source.close()
