"""Settings of measurements and health: what is settled from the pictures, and what is refused."""

from __future__ import annotations

import pytest

from projgan.config.effect import without_effect
from projgan.config.load import RESUME_MAY_CHANGE, override
from projgan.config.presets import PRESETS
from projgan.config.schema import RunConfig
from projgan.config.watching import HealthConfig, MetricsConfig
from projgan.errors import UsageError


@pytest.mark.parametrize(
    ("pictures", "judge", "samples"),
    [
        (6, "kid_lite1", 16),
        (200, "kid_lite1", 200),
        (999, "kid_lite1", 300),
        (1_000, "fd_lite1", 300),
    ],
)
def test_judge_and_samples_follow_from_the_number_of_pictures(
    pictures: int, judge: str, samples: int
) -> None:
    settled = MetricsConfig(every=5).settled(pictures)
    assert (settled.judge, settled.samples, settled.every) == (judge, samples, 5)
    assert settled.settled(2_000) == settled


def test_what_was_chosen_stays() -> None:
    chosen = MetricsConfig(every=5, judge="fd_lite1", samples=64, share=0.1, stop_when_flat=3)
    assert chosen.settled(6) == chosen


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("metrics.every", "-1"),
        ("metrics.share", "0"),
        ("metrics.share", "1.5"),
        ("metrics.samples", "4"),
        ("metrics.judge", "fid"),
        ("health.on_collapse", "pray"),
        ("health.rollbacks", "0"),
    ],
)
def test_bad_values_are_refused(key: str, value: str) -> None:
    with pytest.raises(UsageError):
        override(RunConfig(), {key: value})


def test_a_judge_without_measurements_has_no_effect() -> None:
    chosen = {"metrics.stop_when_flat": "3"}
    (sentence,) = without_effect(override(RunConfig(), chosen), chosen)
    assert sentence == "metrics.stop_when_flat has no effect without metrics.every"
    chosen["metrics.every"] = "8"
    assert without_effect(override(RunConfig(), chosen), chosen) == []


def test_few_shot_presets_measure_and_all_of_it_may_change_on_resume() -> None:
    measured = {name for name, preset in PRESETS.items() if preset.config.metrics.every}
    assert {"few-shot-64", "few-shot-128", "few-shot-256"} <= measured
    assert "demo" not in measured
    for section, kind in (("metrics", MetricsConfig), ("health", HealthConfig)):
        assert {f"{section}.{name}" for name in kind.__dataclass_fields__} <= RESUME_MAY_CHANGE
