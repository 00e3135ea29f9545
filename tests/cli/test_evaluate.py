"""`projgan evaluate` as a user runs it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from command import projgan
from projgan.cli.evaluate import _number
from tiny import tiny_arguments, write_pictures


def test_a_run_from_training_to_its_figures(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 13)
    projgan(tmp_path, "train", "photos", "--out", "run", *tiny_arguments(training__images="16"))
    out, err = projgan(tmp_path, "evaluate", "run", "--samples", "8", "--threads", "1")
    lines = out.splitlines()
    assert lines[0].startswith("run after 16 images, against photos (32 px")
    assert "lite1, 1280 features, 224 px bilinear antialias; 13 reals, 8 fakes" in lines
    for name in ("* kid-lite1", "  fd-lite1", "  precision-lite1", "  recall-lite1", "  is-lite1"):
        assert any(line.startswith(name) for line in lines), name
    assert lines[-1] == "written: run/evaluation.json"
    assert "FID" not in out and "looking at fakes: 8 done" in err
    out, _ = projgan(
        tmp_path, "evaluate", "run", "--samples", "8", "--json", "--metrics", "kid", "--seed", "3"
    )
    result = json.loads(out)
    assert result["judge"] == "kid-lite1" and result["out"] == "run/evaluation.json"
    assert [f["name"] for f in result["extractors"][0]["figures"]] == ["kid-lite1"]


@pytest.mark.slow
def test_faults_have_their_exit_codes(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 3)
    (tmp_path / "empty").mkdir()
    pictures = ("evaluate", "photos", "--data")
    for code, words in (
        (2, ("evaluate", "photos")),
        (2, (*pictures, "photos", "--weights", "clip")),
        (3, (*pictures, "empty")),
        (3, (*pictures, "photos", "--metrics", "kid,recall")),
        (5, (*pictures, "photos", "--extractor", "clip")),
    ):
        out, _ = projgan(tmp_path, *words, "--json", code=code)
        assert json.loads(out)["exit_code"] == code
    assert not list(tmp_path.glob("**/evaluation.json"))


@pytest.mark.slow
def test_reals_of_another_size(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 3, size=64)
    projgan(tmp_path, "prepare", "photos", "--out", "set", "--resolution", "64")
    projgan(tmp_path, "train", "photos", "--out", "run", *tiny_arguments(training__images="8"))
    _, err = projgan(tmp_path, "evaluate", "run", "--data", "set", code=3)
    assert "64 px, not 32 px" in err and "next:" in err


@pytest.mark.parametrize(
    "value, text",
    [
        (0.000123456, "0.000123"),
        (-0.0123456, "-0.0123"),
        (3.14159, "3.142"),
        (123.456, "123.46"),
        (12345.6, "12,346"),
        (1e-9, "0"),
    ],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert _number(value) == text
