"""Outliers, and left from right, on features made up so that the answer is known."""

from __future__ import annotations

import pytest
import torch

from projgan.workflows.doctor.unusual import APART, tell_sides, unusualness


def normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_two_far_pictures_stand_out_and_no_other() -> None:
    features = normal(100, 64)
    features[[17, 60]] += 3 * normal(2, 64, seed=1)
    scores = unusualness(features)
    assert (scores >= APART).nonzero().flatten().tolist() == [17, 60]


@pytest.mark.parametrize("seed", range(4))
def test_one_kind_has_no_outliers(seed: int) -> None:
    assert float(unusualness(normal(150, 64, seed=seed)).max()) < APART


def test_a_shared_difference_tells_sides_apart() -> None:
    features, way = normal(80, 64), normal(64, seed=2)
    sides = tell_sides(features + way, features)
    assert sides is not None and sides.are_different and sides.right == 1.0


@pytest.mark.parametrize("seed", range(4))
def test_without_one_guesses_are_chance(seed: int) -> None:
    sides = tell_sides(normal(200, 64, seed=seed), normal(200, 64, seed=seed + 10))
    assert sides is not None and not sides.are_different
    assert 0.35 < sides.right < 0.65


def test_symmetric_pictures_and_too_few() -> None:
    features = normal(50, 8)
    sides = tell_sides(features, features)
    assert sides is not None and sides.right == 0.5
    assert tell_sides(features[:39], features[:39]) is None
