"""`projgan doctor` as its users type it: planted folders, runs, the machine, and bad input."""

from __future__ import annotations

import json
import shlex
import shutil
from pathlib import Path
from typing import Any

import pytest
from PIL import Image, ImageOps

from command import projgan
from projgan.cli.main import run
from projgan.data.drawn import draw_picture, write_drawn_set
from projgan.rundir import RunDir
from projgan.workflows.doctor.trial import try_steps
from tiny import tiny_config, write_pictures

QUICK = ("--look", "0", "--seconds", "0")


def plant(folder: Path) -> Path:
    """Twenty flowers, with one of each fault."""
    write_drawn_set(folder, count=20, size=80)
    shutil.copy(folder / "drawn-00003.png", folder / "equal.png")
    draw_picture(0, 5, 80).save(folder / "again.jpg", quality=60)
    ImageOps.mirror(draw_picture(0, 9, 80)).save(folder / "flipped.png")
    Image.effect_noise((80, 80), 90).save(folder / "noise.png")
    (folder / "broken.jpg").write_text("no picture")
    return folder


def doctor(capsys: pytest.CaptureFixture[str], *words: str, code: int = 0) -> dict[str, Any]:
    assert run(["doctor", *words, "--json"]) == code
    result: dict[str, Any] = json.loads(capsys.readouterr().out)
    return result


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    return tmp_path


@pytest.mark.slow
def test_a_planted_set(tmp_path: Path) -> None:
    photos = plant(tmp_path / "photos")
    before = {path.name: path.stat().st_mtime_ns for path in photos.iterdir()}
    words = ("doctor", "photos", "--seconds", "0", "--threads", "1")
    out, _ = projgan(tmp_path, *words, code=3)
    assert "24 of 25 can be used" in out and "broken.jpg" in out
    assert "drawn-00003.png = equal.png" in out
    assert "again.jpg ~ drawn-00005.png" in out and "(mirrored)" in out
    assert "noise.png" in out.split("unusual")[1].splitlines()[0]
    assert "in doctor-photos: sheet.png" in out
    sizes = {}
    for name in ("sheet", "unusual", "alike"):
        with Image.open(tmp_path / "doctor-photos" / f"{name}.png") as image:
            sizes[name] = image.size
    assert sizes == {"sheet": (1324, 400), "unusual": (796, 652), "alike": (268, 328)}
    command = shlex.split(out.splitlines()[-1].removeprefix("next"))
    assert command[:5] == ["projgan", "train", "photos", "--preset", "few-shot-64"]
    assert {"--dedupe", "--max-bad", "--threads"} <= set(command)
    # What it suggests can be carried out: the preview reads the pictures with those very settings.
    projgan(tmp_path, *command[1:], "--preview-augment", "p.png", "--images", "8")
    assert (tmp_path / "p.png").exists()
    assert before == {path.name: path.stat().st_mtime_ns for path in photos.iterdir()}
    _, err = projgan(tmp_path, *words, code=2)
    assert "--overwrite" in err and len(err.splitlines()) <= 6


def test_kinds_of_sets(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for index in range(12):
        name = Path("wide", f"{index:02d}.png")
        name.parent.mkdir(exist_ok=True)
        draw_picture(1, index, 300).resize((400, 300)).convert("L").save(name)
    result = doctor(capsys, "wide", *QUICK, "--dry-run")
    assert result["settings"] == {"data.mode": "grey"} and result["shorter_side"]["median"] == 300
    assert [one["resolution"] for one in result["tried"]] == [64, "128x96", "288x224"]
    assert "small" in " ".join(result["advice"]) and "images_per_s" not in result["tried"][0]
    assert sorted(path.name for path in here.iterdir()) == ["wide"]

    write_drawn_set(here / "icons", count=4, size=64, transparent=True, by_kind=True)
    result = doctor(capsys, "icons", *QUICK, "--out", "seen")
    assert result["settings"] == {"data.mode": "rgba"} and result["transparent"] == 4
    assert (here / "seen/sheet.png").exists() and not (here / "seen/unusual.png").exists()
    assert run(["prepare", "icons", "--out", "set", "--resolution", "64x32"]) == 0
    capsys.readouterr()
    result = doctor(capsys, "set", *QUICK)
    assert result["resolution"] == "64x32" and "--resolution 64x32" in result["next"]


def test_one_picture(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(Path("one"), 1)
    result = doctor(capsys, "one", "--seconds", "0", "--dry-run")
    assert result["usable"] == 1 and result["resolution"] == 32
    assert result["next"] == "projgan train one --preset few-shot-64 --resolution 32"
    Path("runs/one").mkdir(parents=True)
    assert doctor(capsys, "one", *QUICK, "--dry-run")["next"].endswith("--out runs/one-2")


@pytest.mark.parametrize(
    ("words", "code", "hint"),
    [
        (("empty",), 3, ".txt"),
        (("nowhere",), 3, "no such folder"),
        (("bad",), 3, "none of 1 pictures"),
        (("", "--dry-run"), 2, "name a folder"),
        (("photos", "--out", "photos/doctor"), 2, "stays as it is"),
        (("photos", "--seconds", "-1"), 2, "--seconds"),
        (("photos", "--look", "many"), 2, "--help"),
        (("photos", "--threads", "x"), 2, "threads"),
        (("photos", "--device", "cuda:97", "--dry-run"), 5, "--device cpu"),
        (("--device", "cuda:97"), 5, "--device cpu"),
        (("--out", "x"), 2, "leave it out"),
    ],
)
def test_bad_input(
    here: Path, capsys: pytest.CaptureFixture[str], words: tuple[str, ...], code: int, hint: str
) -> None:
    write_pictures(Path("photos"), 2)
    for name, file in (("empty", "notes.txt"), ("bad", "bad.png")):
        Path(name).mkdir()
        Path(name, file).write_text("no picture")
    before = sorted(here.rglob("*"))
    assert run(["doctor", *words, *(() if "--look" in words else ("--look", "0"))]) == code
    captured = capsys.readouterr()
    assert hint in captured.err and captured.out == ""
    assert 1 <= len([line for line in captured.err.splitlines() if line]) <= 6
    assert sorted(here.rglob("*")) == before


def test_a_locked_run_and_the_machine(tmp_path: Path) -> None:
    folder = RunDir(tmp_path / "run")
    folder.create()
    folder.config.write_text(json.dumps(tiny_config().to_dict()))
    with folder.locked():
        out, _ = projgan(tmp_path, "doctor", "run")
        assert "running: process" in out
    result = json.loads(projgan(tmp_path, "doctor", "--seconds", "0", "--json")[0])
    assert result["kind"] == "machine" and result["problems"] == []
    assert result["device"] in ("cpu", "cuda", "mps") and result["precision"] in ("fp32", "bf16")
    assert result["versions"]["torch"] and result["weights"]["lite0"] is True
    assert result["places"]["cache"]["path"] == str(tmp_path / "cache") and "flops" not in result


def test_a_machine_that_lacks_things(
    here: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from projgan.workflows.doctor import machine

    needs = {"": [("torch", ">=", "99.0"), ("timm", ">=", "1.0")], "film": [("no-such", "", "")]}
    monkeypatch.setattr(machine, "_requirements", lambda extra: needs[extra])
    monkeypatch.setattr(machine, "_extras", lambda: ["film"])
    monkeypatch.setattr(machine, "_cannot_write", lambda folder: "Permission denied")
    result = doctor(capsys, "--seconds", "0", code=5)
    assert "torch >=99.0 is needed" in result["problems"][0]
    assert result["missing_extras"] == ["film"] and result["next"] == ""
    assert sum("Permission denied" in what for what in result["problems"]) >= 2


def test_speed_is_measured(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    from projgan.workflows.doctor import speed

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(speed, "_SECONDS", 0.0)
        patch.setattr(speed, "_BATCH", 1)
        result = doctor(capsys, "--threads", "1")
    assert result["flops"]["fp32"] > 1e6 and result["feature_pass_s"] > 0


def test_real_steps_in_a_child() -> None:
    trial = try_steps(tiny_config(), 0.01)
    assert trial.problem == "" and len(trial.steps_s) == 1 and trial.memory_mb > 50
    low, high = trial.hours(4_000)
    assert low == high == pytest.approx(trial.steps_s[0] * 1_000 / 3600)


def test_a_child_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    config = tiny_config()
    object.__setattr__(config.generator, "name", "biggan")
    trial = try_steps(config, 0.01)
    assert trial.steps_s == () and "biggan" in trial.problem
