from __future__ import annotations

import json
from pathlib import Path

import pytest
from safetensors.torch import save_file

from projgan.cli.main import run
from projgan.features import weight_files
from projgan.features.catalogue import CATALOGUE
from projgan.features.cutting import create
from projgan.features.random_weights import random_state
from projgan.rng import torch_stream
from tiny import tiny_arguments, write_pictures


@pytest.fixture(autouse=True)
def empty_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weight_files, "find_cached", lambda repository: None)
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)


def test_list_has_every_network_with_its_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features"]) == 0
    printed = capsys.readouterr().out
    rows = {line.split()[0]: line for line in printed.splitlines() if line}
    assert set(CATALOGUE) <= set(rows)
    assert "24 40 112 320" in rows["lite0"] and "here (pip package)" in rows["lite0"]
    assert "[-1, 1]" in rows["lite0"] and " any " in rows["lite0"]
    assert "ImageNet" in rows["resnet18"] and "no: --fetch" in rows["resnet18"]
    assert " 224 " in rows["deit_small_patch16_224"]
    assert "RANDOM" in printed
    assert max(map(len, printed.splitlines())) <= 110


def test_one_network_with_timing(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", "test_resnet", "--measure"]) == 0
    printed = capsys.readouterr().out
    assert "channels 32 48 192 96, strides 4 8 16 32" in printed
    assert "1 thread(s), RANDOM weights" in printed
    assert run(["features", "test_resnet", "--measure", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result["timing"]["weights"] == "random" and result["timing"]["threads"] == 1
    assert result["channels"] == [32, 48, 192, 96]


def test_a_file_is_tried(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "w.safetensors"
    save_file(random_state(create("test_resnet"), torch_stream(1, "weights")), path)
    assert run(["features", "test_resnet", "--features-weights", str(path)]) == 0
    assert "this file; it fits" in capsys.readouterr().out
    assert run(["features", "test_convnext", "--features-weights", str(path)]) == 4
    assert "not the weights of test_convnext" in capsys.readouterr().err


@pytest.mark.parametrize("words", [["--fetch"], ["--measure"], ["vgg"], ["levit_128s"]])
def test_what_cannot_be_done(words: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["features", *words]) == 2
    message = capsys.readouterr().err.splitlines()
    assert len(message) <= 6 and "projgan features" in message[-1]


def test_training_without_weights_says_how_to_get_them(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(Path("photos"))
    assert run(["train", "photos", "--features", "resnet18"]) == 5
    message = capsys.readouterr().err
    assert "projgan features --fetch resnet18" in message
    assert "--features-weights FILE.safetensors" in message
    assert not Path("runs").exists() and not Path("cache").exists()


def test_training_with_one_flag_names_random_weights(capsys: pytest.CaptureFixture[str]) -> None:
    write_pictures(Path("photos"))
    words = tiny_arguments(training__images="4", features__input_size="reference")
    assert run(["train", "photos", "--features", "test_resnet,test_vit", *words]) == 0
    printed = capsys.readouterr().err
    assert "features test_resnet and test_vit with RANDOM weights at 224 px" in printed
    config = json.loads(Path("runs/photos/config.json").read_text())
    assert config["features"]["weights"] == ["random", "random"]
    assert config["features"]["name"] == "test_resnet,test_vit"
