"""Folders that appear whole: what is swept, and what is left alone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from projgan.data.publish import new_folder, publish
from projgan.errors import ResourceError


def test_publishing_renames_the_whole_folder(tmp_path: Path) -> None:
    with new_folder(tmp_path / "deep", "out") as folder:
        assert folder.parent == tmp_path / "deep" and folder.name.startswith(".")
        (folder / "a").write_text("x")
        publish(folder, tmp_path / "deep/out")
    assert [path.name for path in (tmp_path / "deep").iterdir()] == ["out"]
    assert [path.name for path in (tmp_path / "deep/out").iterdir()] == ["a"]


def test_unpublished_folders_vanish(tmp_path: Path) -> None:
    with new_folder(tmp_path, "out") as folder:
        (folder / "a").write_text("x")
    assert list(tmp_path.iterdir()) == []


def test_leftovers_of_a_killed_process_are_swept_and_those_of_a_live_one_kept(
    tmp_path: Path,
) -> None:
    code = (
        "import os, sys; from pathlib import Path; from projgan.data.publish import new_folder\n"
        "with new_folder(Path(sys.argv[1]), 'dead') as folder: os.kill(os.getpid(), 9)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    assert len(list(tmp_path.iterdir())) == 1
    with new_folder(tmp_path, "alive") as alive:
        assert list(tmp_path.iterdir()) == [alive]
        with new_folder(tmp_path, "second"):
            assert alive.is_dir()


def test_foreign_folders_of_a_like_name_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".preparing-by-hand").mkdir()
    with new_folder(tmp_path, "out"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == [".preparing-by-hand"]


def test_a_place_that_cannot_be_written_is_a_resource_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ResourceError, match="cannot write"), new_folder(tmp_path / "file", "out"):
        pass
