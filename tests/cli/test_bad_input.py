"""Whatever is wrong: at most six lines, a documented exit code, a next command, and nothing
lost."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

from projgan.cli.main import run
from tiny import tiny_arguments, write_pictures


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    yield work


def fails(capsys: pytest.CaptureFixture[str], code: int, *words: str) -> str:
    """Run a command that must fail with `code`; returns its message."""
    assert run(list(words)) == code
    captured = capsys.readouterr()
    message = [line for line in captured.err.splitlines() if line]
    assert captured.out == ""
    assert 1 <= len(message) <= 6, captured.err
    assert "Traceback" not in captured.err
    return captured.err


def test_empty_folder(capsys: pytest.CaptureFixture[str]) -> None:
    Path("photos").mkdir()
    Path("photos/notes.txt").write_text("no picture")
    message = fails(capsys, 3, "train", "photos")
    assert ".txt" in message
    assert not Path("runs").exists()


def test_no_such_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert "photos" in fails(capsys, 3, "train", "photos")


def test_text_file_and_truncated_jpeg_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    folder = write_pictures(Path("photos"))
    (folder / "text.jpg").write_text("I am no picture")
    Image.new("RGB", (64, 64), "red").save(folder / "whole.jpg")
    (folder / "cut.jpg").write_bytes((folder / "whole.jpg").read_bytes()[:400])
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    message = fails(capsys, 3, "train", "photos", "--resolution", "32")
    assert "text.jpg" in message and "cut.jpg" in message and "max" in message
    assert before == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert run(["prepare", "photos", "--resolution", "32", "--max-bad", "0.5", "--out", "set"]) == 0
    assert "2 rejected" in capsys.readouterr().out


def test_one_picture_trains_with_a_loud_warning(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(Path("photos"), 1)
    words = tiny_arguments(training__images="4", training__sample_every="100")
    assert run(["train", "photos", *words]) == 0
    assert "memorise" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("--resolution", "100"), "use --resolution 128"),
        (("--preset", "few-shots"), "few-shot-256"),
        (("--set", "training.bach=3"), "known: accumulate, batch"),
        (("--set", "training.batch"), "--set training.batch=16"),
        (("--config", "missing.yaml"), "no such file"),
        (("--batch", "lots"), "'lots' is not a int"),
        (("--resolusion", "64"), "--help"),
        (("--background", "white"), "#ffffff"),
        (("--set", "generator.name=biggan"), "fastgan-lite"),
        (("--set", "features.name=vgg"), "lite0"),
    ],
)
def test_settings_that_do_not_exist(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], hint: str
) -> None:
    write_pictures(Path("photos"))
    assert hint in fails(capsys, 2, "train", "photos", *words)
    assert not Path("runs").exists()


def test_a_device_that_is_not_there(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(Path("photos"))
    assert "--device cpu" in fails(capsys, 5, "train", "photos", "--device", "cuda:97")


def test_existing_outputs_are_kept(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(Path("photos"))
    Path("runs/photos").mkdir(parents=True)
    Path("runs/photos/mine").write_text("keep")
    assert "--overwrite" in fails(capsys, 2, "train", "photos", *tiny_arguments())
    assert Path("runs/photos/mine").read_text() == "keep"
    Path("x.zip").write_text("keep")
    assert "exists" in fails(capsys, 2, "prepare", "photos", "--resolution", "32", "--out", "x.zip")
    assert Path("x.zip").read_text() == "keep"
    Path("demo").mkdir()
    assert "--overwrite" in fails(capsys, 2, "demo")
    Path("augment.png").write_text("keep")
    fails(capsys, 2, "train", "photos", "--preview-augment", *tiny_arguments())
    assert Path("augment.png").read_text() == "keep"


def test_unknown_command_and_missing_argument(capsys: pytest.CaptureFixture[str]) -> None:
    assert "known: demo, train" in fails(capsys, 2, "trian")
    assert "projgan train --help" in fails(capsys, 2, "train")


def test_folders_that_are_no_run(capsys: pytest.CaptureFixture[str]) -> None:
    Path("empty").mkdir()
    for command in (("resume",), ("sample",), ("interpolate",)):
        assert "projgan train" in fails(capsys, 2, *command, "empty")
        fails(capsys, 2, *command, "missing")


def test_json_errors_carry_the_same_fields(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "nowhere", "--json"]) == 3
    captured = capsys.readouterr()
    error = json.loads(captured.out)
    assert error["exit_code"] == 3 and "nowhere" in error["error"] + error["where"]
    assert set(error) == {"error", "where", "safe", "next", "exit_code"}


def test_a_bug_of_ours_leaves_a_report(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    import projgan.cli.presets as command

    def broken(args: object) -> None:
        raise RuntimeError("planted")

    monkeypatch.setattr(command, "run", broken)
    message = fails(capsys, 1, "presets")
    report = Path(message.split("the traceback is in ")[1].splitlines()[0])
    assert "RuntimeError: planted" in report.read_text()
    report.unlink()
    with pytest.raises(RuntimeError, match="planted"):
        run(["presets", "--debug"])
