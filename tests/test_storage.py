import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from projgan import storage
from projgan.errors import CheckpointError, ResourceError


def write_two(folder: Path) -> None:
    (folder / "a.bin").write_bytes(b"a" * 1000)
    (folder / "b.json").write_text("{}")


def test_a_folder_appears_whole_and_verifies(tmp_path: Path) -> None:
    target = tmp_path / "step-1"
    storage.write_folder(target, write_two)
    storage.verify_folder(target)
    assert sorted(p.name for p in target.iterdir()) == ["a.bin", "b.json", "manifest.json"]
    assert [p.name for p in tmp_path.iterdir()] == ["step-1"]


def test_foreign_and_missing_files_do_not_verify(tmp_path: Path) -> None:
    target = tmp_path / "step-1"
    storage.write_folder(target, write_two)
    (target / "extra").write_text("")
    with pytest.raises(CheckpointError, match="foreign"):
        storage.verify_folder(target)
    (target / "extra").unlink()
    (target / "manifest.json").write_text("[]")
    with pytest.raises(CheckpointError, match="manifest"):
        storage.verify_folder(target)


@pytest.mark.parametrize("number", [errno.EIO, errno.EROFS, errno.EMFILE])
def test_a_refusing_disk_leaves_nothing_behind(tmp_path: Path, number: int) -> None:
    def refuse(folder: Path) -> None:
        write_two(folder)
        raise OSError(number, os.strerror(number))

    with pytest.raises(ResourceError) as caught:
        storage.write_folder(tmp_path / "step-1", refuse)
    assert caught.value.exit_code == 5
    assert not list(tmp_path.iterdir())


def test_an_interrupt_leaves_nothing_behind(tmp_path: Path) -> None:
    def interrupt(folder: Path) -> None:
        write_two(folder)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        storage.write_folder(tmp_path / "step-1", interrupt)
    assert not list(tmp_path.iterdir())


def test_a_disk_that_was_full_for_a_moment_is_tried_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "_RETRY_AFTER_S", 0.0)
    attempts = []

    def fill(folder: Path) -> None:
        attempts.append(folder)
        write_two(folder)
        if len(attempts) == 1:
            raise OSError(errno.ENOSPC, "No space left on device")

    storage.write_folder(tmp_path / "step-1", fill)
    storage.verify_folder(tmp_path / "step-1")
    assert len(attempts) == 2


def test_the_order_of_a_write_is_the_one_that_survives_power_loss(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Every file is synced before the manifest is written, the folder before the rename, the parent
    after."""
    events: list[str] = []
    real_fsync, real_rename = storage.fsync, Path.rename

    def fsync(path: Path) -> None:
        events.append(f"sync {path.name if path.parent.name != tmp_path.name else 'folder'}")
        real_fsync(path)

    def rename(self: Path, target: Path) -> Path:
        events.append("rename")
        return real_rename(self, target)

    root = tmp_path / "checkpoints"
    root.mkdir()
    monkeypatch.setattr(storage, "fsync", fsync)
    monkeypatch.setattr(Path, "rename", rename)
    storage.write_folder(root / "step-1", write_two)
    assert events[:3] == ["sync a.bin", "sync b.json", "sync manifest.json"]
    assert events[3].startswith("sync .writing-step-1")
    assert events[4:] == ["rename", "sync folder"]


def test_removing_hides_the_folder_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "step-1"
    storage.write_folder(target, write_two)
    seen = []
    monkeypatch.setattr(
        storage.shutil,
        "rmtree",
        lambda path, ignore_errors: seen.append((path.name, target.exists())),
    )
    storage.remove_folder(target)
    assert len(seen) == 1 and seen[0][0].startswith(".writing-removed") and not seen[0][1]


def write_one(text: str) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        (folder / "a.txt").write_text(text, encoding="ascii")

    return write


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize(("calls_before", "found"), [(0, "old"), (1, "new"), (2, "new")])
def test_a_folder_that_is_replaced_is_never_without_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, calls_before: int, found: str
) -> None:
    """A crash before each rename: new to its waiting name, old out of the way, new to its own."""
    target = tmp_path / "best"
    storage.replace_folder(target, write_one("old"))
    renames, real_rename = [], Path.rename

    def rename(self: Path, to: Path) -> Path:
        if len(renames) == calls_before:
            raise Crash
        renames.append(to.name)
        return real_rename(self, to)

    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(Path, "rename", rename)
        storage.replace_folder(target, write_one("new"))
    assert storage.finish_replacement(target) == (found == "new")
    storage.sweep(tmp_path)
    storage.verify_folder(target)
    assert (target / "a.txt").read_text(encoding="ascii") == found
    assert [path.name for path in tmp_path.iterdir()] == ["best"]
    storage.replace_folder(target, write_one("newer"))
    assert (target / "a.txt").read_text(encoding="ascii") == "newer"
