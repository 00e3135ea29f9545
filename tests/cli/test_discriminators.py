"""Discriminators trained from pixels, from the command line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import projgan
from projgan.cli.main import run
from tiny import pixels_options, write_pictures


def words(name: str, **changes: str) -> list[str]:
    """Arguments of a tiny run, in which the discriminator has a short option."""
    settings = pixels_options(name, **changes)
    settings.pop("discriminator.name")
    pairs = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
    return ["--discriminator", name, *pairs]


@pytest.mark.parametrize(
    ("name", "loss", "column"),
    [("fastgan", "hinge", "loss_reconstruction"), ("stylegan2", "logistic", "loss_r1")],
)
def test_train_then_sample_or_resume(tmp_path: Path, name: str, loss: str, column: str) -> None:
    write_pictures(tmp_path / "photos")
    out, err = projgan(tmp_path, "train", "photos", "--json", *words(name))
    assert json.loads(out)["images_seen"] == 32
    assert f"discriminator {name} of width 4, trained from pixels, {loss} loss" in err
    assert "features" not in err
    run_folder = tmp_path / "runs/photos"
    assert json.loads((run_folder / "config.json").read_text())["discriminator"]["name"] == name
    rows = [json.loads(line) for line in (run_folder / "history.jsonl").read_text().splitlines()]
    assert rows[0][column] > 0
    assert (run_folder / "history.png").is_file()
    if name == "fastgan":
        projgan(tmp_path, "sample", "runs/photos", "--seeds", "0-3", "--grid")
        assert (tmp_path / "samples.png").is_file()
    else:
        out, _ = projgan(tmp_path, "resume", "runs/photos", "--images", "40", "--json")
        assert json.loads(out)["images_seen"] == 40


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    write_pictures(tmp_path / "photos")
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_a_setting_without_effect_is_said(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = words("fastgan", training__images="4")
    assert run(["train", "photos", *arguments, "--features", "lite1"]) == 0
    said = capsys.readouterr().err
    assert "features.name has no effect with the discriminator fastgan" in said
    assert "discriminator.r1" not in said


def test_an_unknown_one_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["train", "photos", "--discriminator", "stylegan3"]) == 2
    assert "projected, fastgan, stylegan2" in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_another_discriminator_on_resume_is_refused(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["train", "photos", *words("fastgan", training__images="4")]) == 0
    assert run(["resume", "runs/photos", "--set", "discriminator.name=stylegan2"]) == 2
    assert "discriminator.name 'fastgan' -> 'stylegan2'" in capsys.readouterr().err
