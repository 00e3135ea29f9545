"""States from lines of a history: each planted fault is seen in time, and healthy lines are not."""

from __future__ import annotations

from typing import Any

import pytest

from projgan.training.health import (
    ADVICE,
    COLLAPSE,
    COPYING,
    DIVERGED,
    FLAT,
    LEARNING,
    OVERWHELMED,
    STATES,
    best_row,
    diagnose,
    since_improvement,
)

JUDGE = "kid_lite1"


def losses(sign: float = 0.9, **changes: Any) -> dict[str, Any]:
    return {"sign_real": sign, "sign_fake": -sign} | changes


def figures(kid: float = 0.1, **changes: Any) -> dict[str, Any]:
    healthy = {
        "kid_spread": 0.001,
        "spacing": 7.0,
        "spacing_reals": 10.0,
        "diversity": 12.0,
        "diversity_reals": 14.0,
        "saturation": 0.4,
        "saturation_reals": 0.4,
    }
    return {JUDGE: kid} | healthy | changes


def states(*lines: dict[str, Any], patience: int = 10) -> list[str]:
    """The state after each line, as a journal writes them."""
    rows: list[dict[str, Any]] = []
    for number, line in enumerate(lines, start=1):
        row = line | {"images_seen": number * 1000}
        rows.append(row)
        row["state"] = diagnose(rows, judge=JUDGE, patience=patience).state
    return [row["state"] for row in rows]


FALLING = [figures(0.5 * 0.7**number) for number in range(8)]


def test_a_run_that_gets_better_is_learning() -> None:
    mixed = [line for pair in zip([losses()] * 8, FALLING, strict=True) for line in pair]
    assert states(*mixed) == [LEARNING] * 16


@pytest.mark.parametrize(
    ("symptom", "expected", "count"),
    [
        (figures(0.26, spacing=0.1), COLLAPSE, 2),
        (figures(0.26, diversity=1.0), COLLAPSE, 2),
        (figures(0.26, copy_score=0.97), COPYING, 2),
        (figures(2.0), DIVERGED, 3),
        (figures(0.26, saturation=0.9), DIVERGED, 2),
        (losses(0.999), OVERWHELMED, 3),
    ],
)
def test_a_symptom_must_last(symptom: dict[str, Any], expected: str, count: int) -> None:
    healthy = losses() if "sign_real" in symptom else figures(0.26)
    good = [FALLING[0], losses(), FALLING[1], FALLING[2]]
    assert states(*good, *[symptom] * count)[-1] == expected
    assert states(*good, *[symptom] * (count - 1))[-1] == LEARNING
    # One odd line changes nothing, whatever the state.
    assert expected not in states(*good, symptom, *[healthy] * count, symptom)
    assert states(*good, *[symptom] * count, healthy)[-1] == expected
    assert states(*good, *[symptom] * count, *[healthy] * count)[-1] == LEARNING


def test_samples_that_are_alike_from_the_start_are_seen_at_the_third_measurement() -> None:
    constant = figures(2.0, spacing=0.0, diversity=0.0)
    assert states(constant, constant, constant) == [LEARNING, LEARNING, COLLAPSE]


def test_two_pictures_in_turn_are_a_collapse_although_they_differ() -> None:
    two = figures(0.4, spacing=0.05, diversity=6.4)
    assert states(FALLING[0], two, two)[-1] == COLLAPSE


def test_a_run_that_begins_alike_and_becomes_more_diverse_is_healthy() -> None:
    lines = [figures(1.0 - 0.1 * n, spacing=0.2 * 1.5**n, diversity=0.5 * 1.6**n) for n in range(9)]
    assert set(states(*lines)) == {LEARNING}


def test_the_first_hundred_steps_say_nothing_about_likeness() -> None:
    alike = figures(2.0, spacing=0.0, diversity=0.0)
    early = [alike | {"step": step} for step in (25, 50, 75, 99)]
    assert set(states(*early)) == {LEARNING}
    assert states(*early, alike | {"step": 100}, alike | {"step": 125})[-1] == COLLAPSE


def test_no_better_for_long_is_flat_and_noise_is_no_progress() -> None:
    noisy = [figures(0.1 + shift) for shift in (0.0005, -0.0005, 0.0, -0.0008, 0.0004, -0.0009)]
    assert states(figures(0.1), *noisy, patience=6)[-2:] == [LEARNING, FLAT]
    assert states(figures(0.1), *noisy, patience=3)[3] == FLAT
    # Small steps add up.
    slow = [figures(0.1 - 0.0004 * number) for number in range(12)]
    assert FLAT not in states(*slow, patience=6)


def test_without_a_spread_two_percent_are_noise() -> None:
    rows = [{"fd_lite1": value} for value in (100.0, 99.0, 97.0, 96.0, 94.0)]
    assert since_improvement(rows, "fd_lite1") == 0
    assert since_improvement(rows[:4], "fd_lite1") == 1


def test_a_fallen_run_has_no_best_snapshot() -> None:
    rows = [
        figures(0.3, images_seen=1, state=LEARNING),
        figures(0.2, images_seen=2, state=COPYING),
        figures(0.1, images_seen=3, state=COLLAPSE),
    ]
    assert best_row(rows, JUDGE) is rows[0]
    assert best_row(rows[1:], JUDGE) is None


def test_heads_that_are_always_right_are_named() -> None:
    signs = {"heads_real": [0.97, 1.0, 1.0, 0.999], "heads_fake": [-0.97, -1.0, -0.999, -0.98]}
    rows = [losses(0.995, images_seen=1, **signs)] * 3
    found = diagnose(rows, judge=JUDGE)
    assert found.state == OVERWHELMED
    assert "always right: head 2, 3 of 4" in found.reason


def test_lines_of_older_runs_say_nothing_wrong() -> None:
    rows = [{"images_seen": 0, "fd_lite1": 300.0}, {"images_seen": 8, "loss_g": 1.0}]
    assert diagnose(rows, judge="fd_lite1").state == LEARNING
    assert diagnose([], judge=JUDGE).state == LEARNING


def test_every_state_has_advice_in_sentences() -> None:
    assert ADVICE.keys() == set(STATES)
    assert all(text.endswith(".") for text in ADVICE.values())
