from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from projgan.errors import DataError
from projgan.evaluation.statistics import frechet_distance


def correlated(count: int, width: int, seed: int, *, spread: float = 1.0) -> Tensor:
    """(count, width) float64 rows of one Gaussian with unequal, correlated entries."""
    generator = torch.Generator().manual_seed(seed)
    mixing = torch.randn(width, width, generator=generator, dtype=torch.float64)
    rows = torch.randn(count, width, generator=generator, dtype=torch.float64)
    offset = torch.randn(width, generator=generator, dtype=torch.float64)
    return spread * rows @ mixing / width**0.5 + offset


def by_definition(a: Tensor, b: Tensor) -> float:
    """Means and covariances, and the eigenvalues of the covariances' product."""
    covariance_a, covariance_b = torch.cov(a.T), torch.cov(b.T)
    eigenvalues = torch.linalg.eigvals(covariance_a @ covariance_b).real.clamp(min=0)
    means = (a.mean(dim=0) - b.mean(dim=0)).square().sum()
    traces = covariance_a.trace() + covariance_b.trace()
    return float(means + traces - 2 * eigenvalues.sqrt().sum())


@pytest.mark.parametrize("count_a, count_b", [(200, 200), (300, 100), (50, 400)])
def test_agrees_with_the_definition(count_a: int, count_b: int) -> None:
    a, b = correlated(count_a, 40, 0), correlated(count_b, 40, 1, spread=1.5)
    assert frechet_distance(a, b) == pytest.approx(by_definition(a, b), rel=1e-6)


@pytest.mark.parametrize("count_a, count_b", [(12, 15), (12, 200), (2, 2)])
def test_fewer_pictures_than_features(count_a: int, count_b: int) -> None:
    """Singular covariances: the eigenvalues' square roots lose half their digits, ours do not."""
    a, b = correlated(count_a, 40, 0), correlated(count_b, 40, 1)
    assert frechet_distance(a, b) == pytest.approx(by_definition(a, b), rel=1e-5)


def test_known_values() -> None:
    a = torch.tensor([[-1.0], [1.0]])  # mean 0, variance 2
    assert frechet_distance(a, a + 3) == pytest.approx(9.0)
    assert frechet_distance(a, 2 * a) == pytest.approx((8**0.5 - 2**0.5) ** 2)
    corners = torch.tensor([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0]])
    assert frechet_distance(corners, corners @ torch.diag(torch.tensor([1.0, 0.0]))) == (
        pytest.approx(1.0 + 4 / 3)
    )


@pytest.mark.parametrize("count", [10, 500])
def test_a_set_and_itself(count: int) -> None:
    a = correlated(count, 64, 0) + 100.0
    assert frechet_distance(a, a) <= 1e-6 * torch.cov(a.T).trace()
    assert frechet_distance(a, a.flip(0)) <= 1e-6 * torch.cov(a.T).trace()


@settings(max_examples=40, deadline=None)
@given(
    count_a=st.integers(2, 30),
    count_b=st.integers(2, 30),
    width=st.integers(1, 20),
    seed=st.integers(0, 1000),
    scale=st.sampled_from([1e-3, 1.0, 1e3]),
)
def test_properties(count_a: int, count_b: int, width: int, seed: int, scale: float) -> None:
    a, b = scale * correlated(count_a, width, seed), scale * correlated(count_b, width, seed + 1)
    distance = frechet_distance(a, b)
    close = {"rel": 1e-6, "abs": 1e-9 * scale**2}
    assert distance >= 0
    assert frechet_distance(b, a) == pytest.approx(distance, **close)
    assert frechet_distance(a + 5 * scale, b + 5 * scale) == pytest.approx(distance, **close)
    assert frechet_distance(2 * a, 2 * b) == pytest.approx(4 * distance, **close)


def test_arithmetic_is_float64_whatever_comes_in() -> None:
    a, b = correlated(100, 20, 0).float(), correlated(100, 20, 1).float()
    assert frechet_distance(a, b) == frechet_distance(a.double(), b.double())
    # A mean far from 0, as pooled features have: float32 would lose the covariance in it.
    far = 1e4
    assert frechet_distance(a.double() + far, b.double() + far) == pytest.approx(
        frechet_distance(a, b), rel=1e-6
    )


@pytest.mark.parametrize(
    "a, b, problem",
    [
        (torch.zeros(1, 4), torch.zeros(3, 4), "at least 2 pictures, got 1"),
        (torch.zeros(3, 4), torch.zeros(0, 4), "at least 2 pictures, got 0"),
        (torch.zeros(3, 4), torch.zeros(3, 5), "width: 4 and 5"),
        (torch.zeros(4), torch.zeros(3, 4), "shape"),
        (torch.full((3, 4), float("nan")), torch.zeros(3, 4), "not finite"),
    ],
)
def test_sets_that_cannot_be_compared(a: Tensor, b: Tensor, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        frechet_distance(a, b)
