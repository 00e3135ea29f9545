"""Tables, sentences, ratios and JSON of a comparison whose curves are drawn by hand."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from projgan.errors import CheckpointError
from projgan.evaluation.curves import Curve, Point
from projgan.workflows.comparison import chart, report
from projgan.workflows.comparison.outcomes import Comparison, Measure, Outcome, RunOutcome
from projgan.workflows.comparison.record import read_record, write_record

SLOW = [
    [(0, 0, 100), (1000, 100, 80), (2000, 200, 60)],
    [(0, 0, 100), (1000, 90, 60), (2000, 180, 60)],
]
FAST = [
    [(0, 0, 100), (1000, 200, 20), (2000, 400, 10)],
    [(0, 0, 100), (1000, 200, 40), (2000, 400, 30)],
]


def outcome(name: str, lines: list[list[tuple[float, float, float]]]) -> Outcome:
    runs = tuple(
        RunOutcome(
            seed=seed,
            folder=Path(f"runs/{name}-seed{seed}"),
            images_seen=int(line[-1][0]),
            elapsed_s=line[-1][1],
            is_finished=True,
            diverged="",
            curve=Curve(tuple(Point(*point) for point in line)),
        )
        for seed, line in enumerate(lines)
    )
    return Outcome(name, "demo", {"heads.kind": name}, runs)


@pytest.fixture
def comparison(tmp_path: Path) -> Comparison:
    config = {"generator": {"name": "fastgan"}, "data": {"resolution": 64}}
    terms = {
        "data": "/somewhere/photos",
        "seeds": [0, 1],
        "contenders": {"slow": {"config": config}, "fast": {"config": config}},
    }
    measure = Measure("fd-lite1", "lite1, 1280 features", 600, 1000, 7.5)
    return Comparison(tmp_path, terms, measure, (outcome("slow", SLOW), outcome("fast", FAST)))


def test_ratios_to_equal_distance(comparison: Comparison) -> None:
    worst, best = comparison.equal_distances()
    assert (worst.of, worst.distance) == ("slow", 60)
    # The mean of the fast one falls from 100 to 30 in 1,000 images and 200 seconds.
    assert worst.reached["fast"].point == Point(pytest.approx(4000 / 7), pytest.approx(800 / 7), 60)
    assert worst.images_ratio("fast") == pytest.approx(3.5)  # 2,000 images
    assert worst.time_ratio("fast") == pytest.approx(190 / (800 / 7))
    assert worst.images_ratio("slow") == worst.time_ratio("slow") == 1
    assert [point and point.images_seen for point in worst.reached["slow"].points] == [2000, 1000]
    assert (best.of, best.distance) == ("fast", 20)
    assert best.reached["slow"].point is None
    assert best.images_ratio("slow") is None


def test_what_ends_where_others_begin_has_no_ratio(comparison: Comparison) -> None:
    worse = outcome("slow", [[(0, 0, 100), (1000, 90, 120)]])
    changed = dataclasses.replace(comparison, outcomes=(worse, comparison.outcomes[1]))
    assert changed.equal_distances()[0].images_ratio("fast") is None
    assert report.equal_sentences(changed)[0] == "slow ended no closer than fast began"


def test_tables_and_sentences(comparison: Comparison) -> None:
    assert report.results(comparison) == [
        ("contender", "seeds", "images", "minutes", "images/s", "best", "final"),
        ("slow", "0 1", "2,000", "3.2", "10.5", "60.0 (60.0, 60.0)", "60.0 (60.0, 60.0)"),
        ("fast", "0 1", "2,000", "6.7", "5.0", "20.0 (10.0, 30.0)", "20.0 (10.0, 30.0)"),
    ]
    worst, best = comparison.equal_distances()
    assert report.equal_rows(worst) == [
        ("contender", "images", "times fewer", "minutes", "times less"),
        ("slow", "2,000 (2,000, 1,000)", "1.00", "3.2", "1.00"),
        ("fast", "571 (500, 667)", "3.50", "1.9", "1.66"),
    ]
    assert report.equal_rows(best)[1] == ("slow", ">2,000 (>2,000, >2,000)", "-", ">3.2", "-")
    sentence = "fast came as close as slow ended with 3.5 times fewer images in 1.7 times less time"
    assert report.equal_sentences(comparison) == [sentence]
    assert report.as_text([("a", "bb"), ("ccc", "d")]) == ["a    bb", "ccc  d"]


def test_more_time_is_called_more(comparison: Comparison) -> None:
    slower = [[(images, 3 * seconds, d) for images, seconds, d in line] for line in FAST]
    changed = dataclasses.replace(
        comparison, outcomes=(comparison.outcomes[0], outcome("fast", slower))
    )
    assert "3.5 times fewer images in 1.8 times more time" in report.equal_sentences(changed)[0]


def test_a_diverged_run_is_named(comparison: Comparison) -> None:
    runs = comparison.outcomes[0].runs
    broken = dataclasses.replace(runs[1], diverged="the loss is not finite")
    slow = dataclasses.replace(comparison.outcomes[0], runs=(runs[0], broken))
    changed = dataclasses.replace(comparison, outcomes=(slow, comparison.outcomes[1]))
    rows = report.results(changed)
    assert [row[-1] for row in rows] == ["", "diverged: seed 1", ""]


def test_a_stall_is_remarked_on(comparison: Comparison) -> None:
    assert report.stall_sentences(comparison) == []
    stalled = [[*SLOW[0][:2], (2000, 1000, 60)], SLOW[1]]
    changed = dataclasses.replace(
        comparison, outcomes=(outcome("slow", stalled), comparison.outcomes[1])
    )
    # 0.9 seconds an image; the median of the four intervals is 0.095.
    assert report.stall_sentences(changed) == [
        "times of slow are not to be trusted: "
        "seed 0 was 9 times slower than usual after 1,000 images"
    ]


def test_markdown_holds_every_table(comparison: Comparison) -> None:
    report.write_table(comparison)
    text = comparison.table.read_text()
    assert "fd-lite1 of 1,000 samples and 600 reals (lite1, 1280 features)" in text
    assert "Between two halves of the reals: 7.5." in text
    assert "## To fd-lite1 60.0, where slow ended" in text
    assert "| slow | >2,000 (>2,000, >2,000) | - | >3.2 | - |" in text
    assert "Not finished" not in text and "samples.png" not in text
    first = comparison.outcomes[0]
    going = dataclasses.replace(first.runs[0], is_finished=False)
    outcomes = (dataclasses.replace(first, runs=(going,)), comparison.outcomes[1])
    report.write_table(dataclasses.replace(comparison, outcomes=outcomes))
    assert "**Not finished yet.**" in comparison.table.read_text()


def test_json_holds_what_the_tables_show(comparison: Comparison) -> None:
    write_record(comparison)
    values = read_record(comparison.json)
    assert values == json.loads(comparison.json.read_text())
    assert values["is_finished"] is True
    assert values["measure"]["num_reals"] == 600
    fast = values["contenders"][1]
    assert fast["images_per_s"] == 5.0
    assert fast["mean"]["final"] == {"images_seen": 2000, "elapsed_s": 400.0, "distance": 20.0}
    assert fast["runs"][1]["run"] == "runs/fast-seed1"
    assert [point["distance"] for point in fast["runs"][1]["curve"]] == [100, 40, 30]
    worst, best = values["equal_distance"]
    assert (worst["final_of"], worst["distance"]) == ("slow", 60)
    assert worst["reached_by"]["fast"]["images_ratio"] == 3.5
    assert worst["reached_by"]["fast"]["mean"]["images_seen"] == 571.4
    assert best["reached_by"]["slow"] == {
        "mean": None,
        "runs": [None, None],
        "images_ratio": None,
        "time_ratio": None,
    }


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "cannot be read"),
        ('{"format": "projgan comparison"}', "cannot be read"),
        ('{"format": "projgan comparison", "schema_version": 9}', "schema version 9"),
    ],
)
def test_a_damaged_record_is_refused(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "compare.json").write_text(text)
    with pytest.raises(CheckpointError, match=message):
        read_record(tmp_path / "compare.json")


def test_the_chart_is_a_picture_with_a_colour_for_each(comparison: Comparison) -> None:
    chart.draw_comparison(comparison)
    with Image.open(comparison.chart) as picture:
        assert picture.size == (1200, 600)
        pixels = np.asarray(picture.convert("RGB"))
    for half in (pixels[:530, :600], pixels[:530, 600:]):  # above the legend
        for colour in chart.COLOURS[:2]:
            rgb = np.frombuffer(bytes.fromhex(colour[1:]), np.uint8)
            assert (half == rgb).all(axis=-1).sum() > 100


def test_the_chart_shows_means_seeds_floor_and_ratio(
    comparison: Comparison, monkeypatch: pytest.MonkeyPatch
) -> None:
    figures: list[Any] = []
    monkeypatch.setattr(chart, "save_figure", lambda figure, path: figures.append(figure))
    chart.draw_comparison(comparison)
    by_images, by_minutes = figures[0].axes
    for axes, end, ratio in (
        (by_images, 2000, "3.5 times fewer images"),
        (by_minutes, 400 / 60, "1.7 times less time"),
    ):
        assert len(axes.lines) == 2 * 3 + 1
        named = {line.get_label(): line for line in axes.lines if line.get_label()[0] != "_"}
        assert set(named) == {"slow", "fast", "one half of the reals to the other"}
        assert list(named["fast"].get_ydata()) == [100, 30, 20]
        assert named["fast"].get_xdata()[-1] == pytest.approx(end)
        assert set(named["one half of the reals to the other"].get_ydata()) == {7.5}
        assert axes.get_title() == f"fast: {ratio} to where slow ended (arrow)"
        (arrow,) = axes.texts
        assert arrow.xy[1] == arrow.xyann[1] == 60
    assert by_images.get_ylabel().startswith("fd-lite1 of 1,000 samples and 600 reals")
    assert (by_images.get_xlabel(), by_minutes.get_xlabel()) == (
        "images seen",
        "minutes of training",
    )
    assert "photos, 64 px, fastgan, 2 seeds" in figures[0].get_suptitle()
