"""`projgan bench` as its users type it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import in_this_process, projgan
from tiny import tiny_arguments

STEP = ("bench", *tiny_arguments(), "--only", "step", "--repeats", "1")


def test_a_ratio_and_a_folder(tmp_path: Path) -> None:
    words = ("bench", *tiny_arguments(), "--only", "step,parts", "--repeats", "2")
    out, _ = projgan(tmp_path, *words, "--against", "reference-step", "--out", "b")
    assert "times as fast as reference-step" in out
    assert "part" in out and "generator" in out
    assert "memory" not in out and "sampling" not in out
    facts = json.loads((tmp_path / "b" / "bench.json").read_text(encoding="utf-8"))
    assert facts["command"].startswith("projgan bench --set data.resolution=32")
    assert facts["machine"]["threads"] == 1
    assert facts["against"]["ratio"]["count"] == 2
    assert (tmp_path / "b" / "bench.png").exists()
    _, err = projgan(tmp_path, *words, "--out", "b", code=2)
    assert "exists already" in err


@pytest.mark.slow
def test_everything_as_json(tmp_path: Path) -> None:
    words = ("bench", *tiny_arguments(), "--repeats", "1", "--json", "--precision", "fp32")
    facts = json.loads(projgan(tmp_path, *words, "--against", "training.step=alternating")[0])
    assert 200 < facts["step"]["memory_mb"] < 5_000
    assert 200 < facts["against"]["memory_mb"] < 5_000
    assert facts["work"]["flops"] > 1e6
    assert 0 < facts["work"]["share"] < 1.5
    assert facts["sampling"]["images_per_s"]["median"] > 0
    assert facts["evaluation"]["images_per_s"]["median"] > 0
    assert facts["data"]["share"] < 0.2
    assert not list(tmp_path.glob("bench*"))


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("--only", "speed"), "unknown part of a benchmark 'speed'"),
        (("--repeats", "0"), "must be at least 1"),
        (("--against", "faster"), "is neither reference-step nor a setting"),
        (("--set", "data.conditional=true"), "noise has no classes"),
        (("--preset", "none"), "unknown preset"),
        (("--set", "training.device=abacus"), "cannot be used"),
    ],
)
def test_bad_input(tmp_path: Path, words: tuple[str, ...], message: str) -> None:
    code = 5 if "training.device=abacus" in words else 2
    _, err = in_this_process(tmp_path, *STEP, *words, code=code)
    assert message in err


def test_pictures_that_are_not_there(tmp_path: Path) -> None:
    _, err = in_this_process(tmp_path, "bench", "photos", *STEP[1:], code=3)
    assert "photos" in err
