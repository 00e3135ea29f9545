"""Every metric against its plain form, on random features, to 1e-6; which side is which."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import plain_metrics as plain
from projgan.errors import DataError, UsageError
from projgan.evaluation.diversity import diversity
from projgan.evaluation.kernel import KernelDistance, kernel_distance
from projgan.evaluation.manifold import manifold_scores
from projgan.evaluation.statistics import frechet_distance


def features(count: int, width: int = 24, seed: int = 0, *, scale: float = 1.0) -> Tensor:
    """(count, width) float32, correlated and off centre as pooled features are."""
    draw = np.random.default_rng(seed)
    rows = scale * draw.normal(size=(count, width)) @ draw.normal(size=(width, width)) + 3.0
    return torch.from_numpy(rows).float()


def table(a: Tensor) -> np.ndarray:
    return a.double().numpy()


@pytest.mark.parametrize("count_real, count_fake", [(60, 60), (600, 90), (90, 560)])
def test_agreement_with_the_plain_forms(count_real: int, count_fake: int) -> None:
    real, fake = features(count_real), features(count_fake, seed=1, scale=0.7)
    size = max(count_real, count_fake)
    scores = manifold_scores(real, fake, neighbours=4)
    for name, value in plain.manifold(table(real), table(fake), 4).items():
        assert getattr(scores, name) == pytest.approx(value, rel=1e-6), name
    assert diversity(fake) == pytest.approx(plain.mean_pairwise(table(fake)), rel=1e-6)
    assert frechet_distance(real, fake) == pytest.approx(
        plain.frechet(table(real), table(fake)), rel=1e-6
    )
    if count_real == count_fake:
        distance = kernel_distance(real, fake, subset_size=size)
        assert distance.mean == pytest.approx(plain.kid(table(real), table(fake)), rel=1e-6)
        assert distance.spread == 0.0


def test_kernel_distance_is_the_mean_and_spread_of_its_subsets() -> None:
    real, fake = features(300), features(200, seed=1)
    whole = plain.kid(table(real), table(fake))
    distance = kernel_distance(real, fake, subsets=400, subset_size=80)
    error = distance.spread / 400**0.5
    assert abs(distance.mean - whole) < 4 * error  # unbiased: subsets have no offset
    assert distance == kernel_distance(real, fake, subsets=400, subset_size=80)
    assert distance != kernel_distance(real, fake, subsets=400, subset_size=80, seed=1)
    cut = kernel_distance(real, fake[:40], subsets=20)  # 1,000 do not exist: 40 of each
    assert cut.spread > 0 and cut == kernel_distance(real, fake[:40], subsets=20, subset_size=40)


def test_large_sets_are_taken_in_pieces() -> None:
    """More rows than a piece has, and more rows than columns many times over."""
    real, fake = features(2500, 8), features(2100, 8, seed=1)
    close = {"rel": 1e-6}
    distance = kernel_distance(real[:2100], fake, subset_size=2100)
    assert distance.mean == pytest.approx(plain.kid(table(real[:2100]), table(fake)), **close)
    assert frechet_distance(real, fake) == pytest.approx(
        plain.frechet(table(real), table(fake)), **close
    )


def test_two_samples_of_one_distribution_have_a_kernel_distance_around_zero() -> None:
    """However few: the mean over many small pairs, both signs occurring."""
    draws = [
        kernel_distance(features(12, seed=0)[:6], features(12, seed=0)[6:]).mean,
        *(
            kernel_distance(rows[:10], rows[10:]).mean
            for rows in (
                torch.randn(20, 16, generator=torch.Generator().manual_seed(s)) for s in range(200)
            )
        ),
    ]
    values = np.array(draws[1:])
    assert values.min() < 0 < values.max()
    assert abs(values.mean()) < 4 * values.std() / len(values) ** 0.5


@pytest.mark.parametrize("count", [30, 600])
def test_a_set_against_itself(count: int) -> None:
    real = features(count)
    scores = manifold_scores(real, real)
    assert (scores.precision, scores.recall, scores.density, scores.coverage) == (1, 1, 1, 1)
    assert frechet_distance(real, real) == pytest.approx(0, abs=1e-6 * float(real.var(0).sum()))
    # Unbiased, so not 0: below it by what a picture has in common with itself.
    small = features(count, scale=0.05)
    itself = kernel_distance(small, small)
    assert itself.mean == pytest.approx(plain.kid(table(small), table(small)), rel=1e-6)
    assert itself.mean <= 0 and itself.spread == 0
    assert abs(itself.mean) < 0.1 * kernel_distance(small, features(count, seed=1)).mean


def test_reals_come_first() -> None:
    """Fakes on a small part of the reals: every fake is good, most reals are missed."""
    real = torch.randn(400, 4, generator=torch.Generator().manual_seed(0))
    narrow = real[:200] * 0.05
    scores = manifold_scores(real, narrow)
    assert scores.precision == 1.0 and scores.recall < 0.3 and scores.coverage < 0.3
    exchanged = manifold_scores(narrow, real)
    assert (exchanged.precision, exchanged.recall) == (scores.recall, scores.precision)
    far = manifold_scores(real, real + 100)
    assert (far.precision, far.recall, far.density, far.coverage) == (0, 0, 0, 0)


def test_duplicates_count_as_equal_pictures() -> None:
    """Rounding must not put a picture outside a ball of radius 0 around its own copy."""
    copies = features(1, 1280, scale=10).repeat(20, 1)
    scores = manifold_scores(copies, copies)
    assert (scores.precision, scores.recall) == (1.0, 1.0)
    assert diversity(copies) == 0.0
    assert diversity(torch.tensor([[0.0, 0.0], [3.0, 4.0]])) == 5.0


@pytest.mark.parametrize(
    "count, problem",
    [(1, "a kernel distance needs at least 2"), (5, "with 5 neighbours needs at least 6 pictures")],
)
def test_too_few_pictures(count: int, problem: str) -> None:
    few, many = features(count), features(30)
    metric = kernel_distance if count == 1 else manifold_scores
    for pair in ((few, many), (many, few)):
        with pytest.raises(DataError, match=problem):
            metric(*pair)


def test_what_cannot_be_computed() -> None:
    real = features(10)
    broken = real.clone()
    broken[3, 3] = torch.inf
    for metric in (kernel_distance, manifold_scores, frechet_distance):
        with pytest.raises(DataError, match="not finite"):
            metric(real, broken)
        with pytest.raises(DataError, match="width: 24 and 8"):
            metric(real, features(10, 8))
    with pytest.raises(DataError, match="at least 2 pictures, got 1"):
        diversity(real[:1])
    with pytest.raises(UsageError, match="subsets 0"):
        kernel_distance(real, real, subsets=0)
    with pytest.raises(UsageError, match="neighbours is 0"):
        manifold_scores(real, real, neighbours=0)
    assert isinstance(kernel_distance(real, real), KernelDistance)
