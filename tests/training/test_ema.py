import copy

import pytest
import torch
from torch import nn

from projgan.training.ema import ema_beta, update_ema


def test_first_step_copies() -> None:
    assert ema_beta(0, batch=64, half_life_kimg=20.0, rampup=0.05) == 0.0


def test_reference_limit_is_reached_at_400_kimg() -> None:
    """Batch 64: half-life 20,000 images, limit 0.99778, ramp-up over 400 kimg (method facts,
    8.3)."""
    kwargs = {"batch": 64, "half_life_kimg": 64 * 10 / 32, "rampup": 0.05}
    limit = 0.5 ** (64 / 20_000)
    assert limit == pytest.approx(0.99778, abs=5e-6)
    assert ema_beta(400_000, **kwargs) == pytest.approx(limit)
    assert ema_beta(300_000, **kwargs) < limit
    assert ema_beta(10_000_000, **kwargs) == pytest.approx(limit)


def test_half_life_counts_images() -> None:
    """After one half-life of images, an old weight counts half."""
    beta = ema_beta(10**9, batch=10, half_life_kimg=1.0, rampup=0.0)
    assert beta**100 == pytest.approx(0.5)


def test_without_rampup_the_first_step_does_not_copy() -> None:
    assert ema_beta(0, batch=64, half_life_kimg=20.0, rampup=0.0) == pytest.approx(
        0.5 ** (64 / 20_000)
    )


def test_parameters_are_averaged_and_buffers_copied() -> None:
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    average = copy.deepcopy(model)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(1.0)
    model[1].running_mean.fill_(7.0)
    model[1].num_batches_tracked.fill_(5)
    before = [p.detach().clone() for p in average.parameters()]
    update_ema(average, model, 0.75)
    for old, now in zip(before, average.parameters(), strict=True):
        torch.testing.assert_close(now.detach(), old + 0.25)
    assert average[1].running_mean.tolist() == [7.0, 7.0]
    assert average[1].num_batches_tracked.item() == 5
