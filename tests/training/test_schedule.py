import pytest
import torch
from torch import nn

from projgan.augment.pipeline import Augment
from projgan.training.schedule import LAST_FACTOR, learning_rate_factor, scale_learning_rate
from projgan.training.state import new_state
from projgan.training.steps import make_step
from tiny import reals, tiny_config


def test_constant_without_decay() -> None:
    assert {learning_rate_factor(n, images=100, decay=0.0) for n in (0, 50, 100, 200)} == {1.0}


def test_falls_along_a_line_at_the_end() -> None:
    factors = [learning_rate_factor(n, images=100, decay=0.5) for n in (0, 50, 75, 100, 130)]
    halfway = (1 + LAST_FACTOR) / 2
    assert factors == pytest.approx([1.0, 1.0, halfway, LAST_FACTOR, LAST_FACTOR])


def test_every_group_keeps_its_own_rate() -> None:
    groups = [{"params": [nn.Parameter(torch.zeros(1))], "lr": rate} for rate in (0.1, 0.4)]
    optimizer = torch.optim.Adam(groups)
    scale_learning_rate(optimizer, 0.5)
    scale_learning_rate(optimizer, 0.25)
    assert [group["lr"] for group in optimizer.param_groups] == pytest.approx([0.025, 0.1])


def test_steps_use_it() -> None:
    config = tiny_config(optimizer__decay="1.0", training__images="16")
    state, step = new_state(config), make_step(config, Augment(()))
    rates = []
    for _ in range(3):
        step(state, reals())
        rates.append(
            (state.optimizer_g.param_groups[0]["lr"], state.optimizer_d.param_groups[0]["lr"])
        )
    factors = [learning_rate_factor(n, images=16, decay=1.0) for n in (0, 4, 8)]
    assert [g for g, _ in rates] == pytest.approx([config.optimizer.lr_g * f for f in factors])
    assert [d for _, d in rates] == pytest.approx([config.optimizer.lr_d * f for f in factors])
