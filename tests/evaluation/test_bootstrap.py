from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

import plain_metrics as plain
from projgan.evaluation import bootstrap
from projgan.evaluation.diversity import diversity
from projgan.evaluation.kernel import kernel_distance
from projgan.rng import numpy_stream


def features(count: int, seed: int, *, shift: float = 0.0) -> Tensor:
    stream = torch.Generator().manual_seed(seed)
    return torch.randn(count, 12, generator=stream) + shift


def drawn(count: int, name: str) -> list[np.ndarray]:
    """The draws written out: the places of each."""
    counts = numpy_stream(0, f"bootstrap of {name}").multinomial(
        count, [1 / count] * count, size=bootstrap.DRAWS
    )
    return [np.repeat(np.arange(count), times) for times in counts]


def test_kernel_interval_is_that_of_sets_drawn_anew() -> None:
    """Against every draw made as a set, with pairs of a picture and itself left out by hand."""
    real, fake = features(25, 0), features(30, 1, shift=0.2)
    x, y = real.double().numpy(), fake.double().numpy()

    def own(places: np.ndarray, rows: np.ndarray) -> float:
        other = places[:, None] != places[None, :]
        kernel = (rows[places] @ rows[places].T / rows.shape[1] + 1) ** 3
        return float(kernel[other].mean())

    values = [
        own(a, x) + own(b, y) - 2 * float(((x[a] @ y[b].T / 12 + 1) ** 3).mean())
        for a, b in zip(drawn(25, "reals"), drawn(30, "fakes"), strict=True)
    ]
    low, high = bootstrap.interval_of_kernel_distance(real, fake)
    assert (low, high) == pytest.approx(tuple(np.quantile(values, [0.025, 0.975])), rel=1e-9)


def test_diversity_interval_is_that_of_sets_drawn_anew() -> None:
    rows = features(20, 3)
    table = plain.distances(rows.double().numpy(), rows.double().numpy())
    values = []
    for places in drawn(20, "diversity"):
        other = places[:, None] != places[None, :]
        values.append(table[np.ix_(places, places)][other].mean())
    expected = tuple(np.quantile(values, [0.025, 0.975]))
    assert bootstrap.interval_of_diversity(rows) == pytest.approx(expected, rel=1e-9)


def test_intervals_hold_the_figure_and_narrow_with_more_pictures() -> None:
    widths = []
    for count in (40, 640):
        real, fake = features(count, 0), features(count, 1, shift=0.5)
        low, high = bootstrap.interval_of_kernel_distance(real, fake)
        assert low < kernel_distance(real, fake).mean < high
        widths.append(high - low)
        low, high = bootstrap.interval_of_diversity(fake)
        assert low < diversity(fake) < high
    assert widths[1] < widths[0] / 2


def test_interval_of_a_mean() -> None:
    values = torch.tensor([0.0, 1.0]).repeat(200)
    low, high = bootstrap.interval_of_mean(values)
    # The binomial's 95 %: 0.5 +- 1.96 * sqrt(0.25 / 400).
    assert low == pytest.approx(0.451, abs=0.012) and high == pytest.approx(0.549, abs=0.012)
    assert bootstrap.interval_of_mean(values) == (low, high)
    assert bootstrap.interval_of_mean(torch.ones(5)) == (1.0, 1.0)
