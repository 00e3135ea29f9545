"""Measurements, an early end and its options, as a user meets them."""

from __future__ import annotations

import json
from pathlib import Path

from command import projgan
from projgan.snapshot import read_about
from projgan.training.history import read_history
from tiny import tiny_arguments, write_pictures


def test_a_run_is_measured_ends_when_flat_and_goes_on(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos")
    flat = ("--metrics-every", "8", "--stop-when-flat", "1", "--set", "metrics.judge=fd_lite1")
    out, err = projgan(
        tmp_path, "train", "photos", "--out", "run", *tiny_arguments(), *flat, "--json"
    )
    # A generator of two steps is no better than one of four, and far from the pictures.
    result = json.loads(out)
    assert result["ended"] == "1 measurements without a better fd_lite1"
    assert result["images_seen"] < 32
    assert "the run ends: 1 measurements" in err
    rows = [r for r in read_history(tmp_path / "run/history.jsonl") if "fd_lite1" in r]
    assert len(rows) == result["images_seen"] // 8
    assert {"kid_lite1", "precision", "recall", "diversity", "spacing", "measure_s"} <= set(rows[0])
    assert rows[0]["fd_lite1"] > 100
    best = min(rows, key=lambda row: row["fd_lite1"])["images_seen"]
    assert read_about(tmp_path / "run/snapshots/best")[1] == best
    projgan(tmp_path, "sample", "run/snapshots/best", "--seeds", "0-3", "--grid")
    assert (tmp_path / "samples.png").is_file()
    words = ("--stop-when-flat", "0", "--metrics-every", "0", "--on-collapse", "stop")
    out, _ = projgan(tmp_path, "resume", "run", *words, "--json")
    assert json.loads(out)["images_seen"] == 32
    config = json.loads((tmp_path / "run/config.json").read_text())
    assert config["health"]["on_collapse"] == "stop"


def test_words_that_mean_nothing_are_refused(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos")
    _, err = projgan(tmp_path, "train", "photos", "--on-collapse", "pray", code=2)
    assert "rollback" in err
