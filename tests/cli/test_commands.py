"""Every command as a user runs it: a process of its own, from a folder of its own."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from pathlib import Path

import pytest
from PIL import Image
from safetensors.torch import load_file

from command import projgan, start
from projgan.cli.main import COMMANDS, parser_of
from tiny import tiny_arguments, write_pictures


def printed(folder: Path, *words: str) -> str:
    return projgan(folder, *words)[0]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with photos/ and a finished run of them."""
    folder = tmp_path_factory.mktemp("work")
    write_pictures(folder / "photos")
    result = json.loads(printed(folder, "train", "photos", "--json", *tiny_arguments()))
    assert (result["run"], result["images_seen"]) == ("runs/photos", 32)
    return folder


def test_train_fills_the_run_folder(trained: Path) -> None:
    run = trained / "runs/photos"
    assert {path.name for path in run.iterdir()} == {
        ".lock",
        "checkpoints",
        "config.json",
        "history.jsonl",
        "history.png",
        "report.html",
        "samples",
        "snapshots",
    }
    grids = ["000000000.png", "000000016.png", "000000032.png", "reals.png"]
    assert sorted(path.name for path in (run / "samples").iterdir()) == grids
    assert sorted(path.name for path in (run / "snapshots").iterdir()) == ["000000016", "000000032"]
    rows = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    assert [row["images_seen"] for row in rows] == [8, 16, 24, 32]
    expected = (
        "epoch loss_g loss_d logits_real logits_fake sign_real sign_fake images_per_s memory_mb"
    )
    assert set(expected.split()) <= set(rows[0])


def test_sample_gives_the_same_picture_for_a_seed(trained: Path) -> None:
    printed(trained, "sample", "runs/photos", "--seeds", "3,5-6", "--out", "some")
    printed(trained, "sample", "runs/photos", "--seeds", "0-15", "--out", "all")
    assert sorted(p.name for p in (trained / "some").iterdir()) == [
        "seed000003.png",
        "seed000005.png",
        "seed000006.png",
    ]
    assert (trained / "some/seed000005.png").read_bytes() == (
        trained / "all/seed000005.png"
    ).read_bytes()
    printed(trained, "sample", "runs/photos/snapshots/000000016", "--seeds", "0-5", "--grid")
    with Image.open(trained / "samples.png") as grid:
        assert grid.size == (96, 64)


def test_interpolate_writes_a_looping_film(trained: Path) -> None:
    words = ("--frames", "10", "--columns", "2", "--out", "walk.gif")
    assert "walk.gif" in printed(trained, "interpolate", "runs/photos", *words)
    with Image.open(trained / "walk.gif") as film:
        # Pillow joins frames that look the same, which those of this short run may do.
        assert 2 <= film.n_frames <= 10
        assert (film.size, film.info["loop"]) == ((64, 32), 0)


def test_resume_of_a_finished_run_goes_on_with_more_images(trained: Path) -> None:
    result = json.loads(printed(trained, "resume", "runs/photos", "--images", "40", "--json"))
    assert result["images_seen"] == 40
    assert (trained / "runs/photos/samples/000000040.png").is_file()


def test_prepare_gives_a_zip_that_trains_like_the_folder(trained: Path) -> None:
    words = ("photos", "--resolution", "32", "--out", "photos.zip", "--json")
    assert json.loads(printed(trained, "prepare", *words))["used"] == 6
    words = (*tiny_arguments(training__images="8"), "--out", "runs/zip")
    assert "8 images" in printed(trained, "train", "photos.zip", *words)


def test_preview_shows_pictures_and_seven_augmentations(trained: Path) -> None:
    printed(trained, "train", "photos", "--preview-augment", "look.png", "--resolution", "32")
    with Image.open(trained / "look.png") as grid:
        assert grid.size == (8 * 32, 6 * 32)
    assert not (trained / "runs/photos.old-1").exists()


def test_presets_prints_what_config_reads(trained: Path) -> None:
    assert "few-shot-256" in printed(trained, "presets")
    (trained / "my.yaml").write_text(printed(trained, "presets", "demo"))
    words = ("--config", "my.yaml", *tiny_arguments(training__images="4"), "--out", "runs/yaml")
    printed(trained, "train", "photos", *words)


def test_demo_makes_everything(tmp_path: Path) -> None:
    words = ("--count", "24", "--json", *tiny_arguments(training__images="8"))
    result = json.loads(printed(tmp_path, "demo", *words))
    assert result["ratio"] > 0
    for name in ("grid.png", "film.gif", "chart.png"):
        with Image.open(tmp_path / "demo" / name) as picture:
            picture.load()
    assert len(list((tmp_path / "demo/pictures").iterdir())) == 24


def test_help_of_every_command_shows_examples_that_parse(
    capsys: pytest.CaptureFixture[str],
) -> None:
    import importlib
    import shlex

    for name in COMMANDS:
        command = importlib.import_module(f"projgan.cli.{name}")
        assert len(command.EXAMPLES) >= 2
        for example in command.EXAMPLES:
            parser = parser_of(name, command)
            program, verb, *words = shlex.split(example)
            assert (program, verb) == ("projgan", name)
            parser.parse_args(words)


@pytest.mark.parametrize(
    "number",
    [
        pytest.param(signal.SIGINT, marks=pytest.mark.slow),
        pytest.param(signal.SIGTERM, marks=pytest.mark.slow),
        signal.SIGKILL,
    ],
)
def test_signals_and_kills_in_the_middle_end_in_the_same_weights(
    trained: Path, number: int
) -> None:
    """The run is stopped from outside, resumed, and compared with the run that never stopped."""
    words = tiny_arguments(training__images="48", training__seed="5", training__log_every="4")
    straight, stopped = (trained / f"runs/{kind}-{number}" for kind in ("straight", "stopped"))
    printed(trained, "train", "photos", "--out", str(straight), *words)
    process = start(trained, "train", "photos", "--out", str(stopped), *words)
    history = stopped / "history.jsonl"
    while not history.exists() or len(history.read_text().splitlines()) < 5:
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.send_signal(number)
    _, err = process.communicate(timeout=120)
    assert process.returncode == (-9 if number == signal.SIGKILL else 128 + number)
    if number != signal.SIGKILL:
        assert len(err.splitlines()[-3:]) == 3 and f"projgan resume {stopped}" in err
    assert (stopped / "report.html").exists() == (number == signal.SIGINT)
    printed(trained, "resume", str(stopped))
    assert (stopped / "report.html").exists()
    newest = [max((run / "checkpoints").glob("step-*")) for run in (straight, stopped)]
    assert newest[0].name == newest[1].name == "step-00000012"
    for file in newest[0].glob("*.safetensors"):
        first, second = load_file(file), load_file(newest[1] / file.name)
        assert all((first[key] == second[key]).all() for key in first), file.name


def test_a_second_process_in_the_same_run_is_refused(trained: Path) -> None:
    words = tiny_arguments(training__images="100000")
    process = start(trained, "train", "photos", "--out", "runs/busy", *words)
    try:
        while not (trained / "runs/busy/history.jsonl").exists():
            assert process.poll() is None
            time.sleep(0.05)
        second = start(trained, "resume", "runs/busy")
        _, err = second.communicate(timeout=120)
        assert second.returncode == 8
        assert str(process.pid) in err
    finally:
        process.kill()
        process.communicate()


@pytest.mark.faults
def test_a_real_full_disk(trained: Path, tmp_path: Path) -> None:
    """The run lies on a file system of 3 MB: exit 5, nothing half-written, and it goes on with more
    room."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=24m", "tmpfs", str(disk)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode:
        pytest.skip("skipped: file systems cannot be mounted here")
    try:
        words = tiny_arguments(training__images="64")
        process = start(trained, "train", "photos", "--out", str(disk / "run"), *words)
        out, err = process.communicate(timeout=300)
        assert process.returncode == 5, err
        message = err.splitlines()[-4:]
        assert "the disk is full" in message[0] and "MB needed" in message[0]
        assert message[-1].startswith("next:")
        assert "Traceback" not in err
        left = [path.name for path in (disk / "run/checkpoints").iterdir()]
        assert not [name for name in left if name.startswith(".")]
        subprocess.run(["mount", "-o", "remount,size=200m", str(disk)], check=True)
        printed(trained, "resume", str(disk / "run"))
        assert (disk / "run/samples/000000064.png").is_file()
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=False)
