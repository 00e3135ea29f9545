"""Curves drawn by hand: every figure below can be checked with a pencil."""

from __future__ import annotations

import pytest

from projgan.evaluation.curves import Curve, Point, mean_curve


def curve(*points: tuple[float, float, float]) -> Curve:
    """(images, seconds, distance) at each measurement."""
    return Curve(tuple(Point(*point) for point in points))


FALLING = curve((0, 0, 100), (1000, 50, 60), (2000, 100, 40), (3000, 160, 44))


def test_best_and_final() -> None:
    assert FALLING.best == Point(2000, 100, 40)
    assert FALLING.final == Point(3000, 160, 44)


def test_between_measurements_is_a_straight_line() -> None:
    assert FALLING.at(0) == Point(0, 0, 100)
    assert FALLING.at(250) == Point(250, 12.5, 90)
    assert FALLING.at(3000) == Point(3000, 160, 44)
    with pytest.raises(AssertionError, match="is not between"):
        FALLING.at(3001)


@pytest.mark.parametrize(
    ("distance", "where"),
    [
        (120, Point(0, 0, 100)),  # closer than that before the first step
        (100, Point(0, 0, 100)),
        (90, Point(250, 12.5, 90)),
        (60, Point(1000, 50, 60)),
        (45, Point(1750, 87.5, 45)),  # the first time, although it is passed again later
        (40, Point(2000, 100, 40)),
        (39.9, None),
    ],
)
def test_reach_is_the_first_time(distance: float, where: Point | None) -> None:
    assert FALLING.reach(distance) == where


def test_rising_first_is_no_reaching() -> None:
    bumpy = curve((0, 0, 80), (10, 1, 100), (20, 2, 60))
    assert bumpy.reach(90) == Point(0, 0, 80)
    assert bumpy.reach(70) == Point(17.5, 1.75, 70)


def test_mean_goes_as_far_as_all_go() -> None:
    short = curve((0, 0, 90), (1000, 70, 50), (1500, 105, 30))
    mean = mean_curve([FALLING, short])
    assert mean == curve((0, 0, 95), (1000, 60, 55), (1500, 90, 40))
    assert mean_curve([FALLING]) == FALLING


def test_measurements_must_be_in_order() -> None:
    with pytest.raises(AssertionError, match="out of order"):
        curve((0, 0, 1), (0, 0, 2))
    with pytest.raises(AssertionError, match="without a point"):
        Curve(())
