"""Folders: what is found, what is passed over, and what is said when nothing is there."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from projgan.data.report import Unusable
from projgan.data.scan import FolderSource, open_source
from projgan.errors import DataError, UsageError


def write(path: Path, content: bytes = b"x") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    return path


def names(source: FolderSource) -> list[str]:
    return [entry.name for entry in source.listing.entries]


def test_finds_pictures_below_in_order_of_names(tmp_path: Path) -> None:
    for name in ("b.JPG", "a/z.png", "a/b/c.webp", "d.tif", "e.Tiff", "f.bmp", "g.gif", "h.jpeg"):
        write(tmp_path / name)
    write(tmp_path / "notes.txt")
    source = FolderSource(tmp_path)
    assert names(source) == [
        "a/b/c.webp",
        "a/z.png",
        "b.JPG",
        "d.tif",
        "e.Tiff",
        "f.bmp",
        "g.gif",
        "h.jpeg",
    ]
    assert source.listing.other_types == {".txt": 1}


def test_hidden_and_system_files_are_left_alone(tmp_path: Path) -> None:
    for name in ("._a.jpg", ".thumbnails/a.jpg", "__MACOSX/a.jpg", "a.jpg"):
        write(tmp_path / name)
    assert names(FolderSource(tmp_path)) == ["a.jpg"]


def test_symlink_loops_end_and_folders_are_entered_once(tmp_path: Path) -> None:
    write(tmp_path / "real/one.png")
    (tmp_path / "real/up").symlink_to(tmp_path)
    (tmp_path / "a-link").symlink_to(tmp_path / "real")
    (tmp_path / "self").symlink_to(tmp_path / "self")
    source = FolderSource(tmp_path)
    assert names(source) == ["real/one.png"]
    assert source.listing.skipped == {"links that lead outside or nowhere": 1}


def test_links_are_followed_only_inside(tmp_path: Path) -> None:
    root = tmp_path / "root"
    write(root / ".store/one.png")
    outside = write(tmp_path / "secret.png")
    (root / "one.png").symlink_to(root / ".store/one.png")
    (root / "folder").symlink_to(root / ".store")
    (root / "outside.png").symlink_to(outside)
    (root / "parent").symlink_to(tmp_path)
    (root / "broken.png").symlink_to(root / "nowhere.png")
    source = FolderSource(root)
    assert names(source) == ["folder/one.png", "one.png"]
    assert source.listing.skipped == {"links that lead outside or nowhere": 3}


def test_a_linked_root_is_fine(tmp_path: Path) -> None:
    write(tmp_path / "real/one.png")
    (tmp_path / "link").symlink_to(tmp_path / "real")
    source = FolderSource(tmp_path / "link")
    assert names(source) == ["one.png"]
    assert source.read("one.png") == b"x"


def test_special_files_are_counted_and_never_block(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    os.mkfifo(tmp_path / "pipe.png")
    with socket.socket(socket.AF_UNIX) as plug:
        plug.bind(str(tmp_path / "plug.png"))
        source = FolderSource(tmp_path)
    assert names(source) == ["a.png"]
    assert source.listing.skipped == {"pipes, sockets or devices": 2}


def test_a_pipe_put_in_a_pictures_place_does_not_block(tmp_path: Path) -> None:
    write(tmp_path / "a.png")
    source = FolderSource(tmp_path)
    (tmp_path / "a.png").unlink()
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(Unusable, match="not a plain file"):
        source.read("a.png")


def test_odd_names_are_found_and_read(tmp_path: Path) -> None:
    odd = [b"caf\xe9.png", b"new\nline.png", "smile-\U0001f600.png".encode(), b"x" * 251 + b".png"]
    for name in odd:
        with open(os.fsencode(tmp_path) + b"/" + name, "wb") as handle:
            handle.write(name)
    source = FolderSource(tmp_path)
    assert sorted(os.fsencode(name) for name in names(source)) == sorted(odd)
    assert all(source.read(name) == os.fsencode(name) for name in names(source))


def test_unreadable_folders_and_files_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "closed/a.png")
    write(tmp_path / "b.png")
    scandir, os_open = os.scandir, os.open

    def no_scandir(path: str) -> object:
        if str(path).endswith("closed"):
            raise PermissionError(13, "Permission denied")
        return scandir(path)

    def no_open(path: object, flags: int) -> int:
        if str(path).endswith("b.png"):
            raise PermissionError(13, "Permission denied")
        return os_open(path, flags)  # type: ignore[arg-type]

    monkeypatch.setattr(os, "scandir", no_scandir)
    source = FolderSource(tmp_path)
    assert source.listing.unreadable == {"closed": "folder cannot be read: Permission denied"}
    monkeypatch.setattr(os, "open", no_open)
    with pytest.raises(Unusable, match="cannot be read: Permission denied"):
        source.read("b.png")


def test_files_above_the_size_limit_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("projgan.data.scan.MAX_FILE_BYTES", 10)
    monkeypatch.setattr("projgan.data.source.MAX_FILE_BYTES", 10)
    write(tmp_path / "a.png", b"x" * 11)
    with pytest.raises(Unusable, match="larger than"):
        FolderSource(tmp_path).read("a.png")


@pytest.mark.parametrize("content", [[], ["a.heic", "b.heic", "c/d.mov", "README"]])
def test_nothing_found_says_what_was_looked_for_and_found(
    tmp_path: Path, content: list[str]
) -> None:
    for name in content:
        write(tmp_path / name)
    with pytest.raises(DataError) as caught:
        open_source(str(tmp_path))
    text = str(caught.value)
    assert ".jpg" in text and ".webp" in text and str(tmp_path) in text
    assert ("2 .heic, 1 .mov, 1 no extension" if content else "nothing") in text
    assert len(caught.value.lines()) <= 6


def test_no_name_is_not_the_current_folder() -> None:
    with pytest.raises(UsageError, match="no pictures were named"):
        open_source("")


def test_a_missing_place_and_a_wrong_file_are_data_errors(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no such folder or zip"):
        open_source(str(tmp_path / "gone"))
    with pytest.raises(DataError, match="not an intact zip"):
        open_source(str(write(tmp_path / "a.jpg")))
