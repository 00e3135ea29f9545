"""Each recipe does a step at its own size, with a narrow generator and two pictures."""

from __future__ import annotations

import pytest
import torch

from projgan.build import make_augment, settle
from projgan.config.load import load_config
from projgan.config.recipes import RECIPES
from projgan.config.schema import RunConfig
from projgan.training.state import new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config

SMALL = {
    "generator.width": "8",
    "heads.kind": "separable",
    "features.pretrained": "false",
    "training.batch": "2",
    "training.micro_batch": "2",
    "training.precision": "fp32",
    "training.device": "cpu",
    "training.threads": "1",
}
SLOW = ("few-shot-512", "few-shot-1024", "grumpy256")  # the last is aface256 but for its name


def small(name: str) -> RunConfig:
    return settle(load_config(preset=name, options=SMALL))


@pytest.mark.parametrize(
    "name", [pytest.param(n, marks=pytest.mark.slow) if n in SLOW else n for n in RECIPES]
)
def test_a_step_at_the_recipe_s_size(name: str) -> None:
    config = small(name)
    state = new_state(config)
    side = config.data.resolution
    before = {key: value.clone() for key, value in state.generator.named_parameters()}
    TrainStep(config, make_augment(config))(state, reals(2, resolution=side))
    assert state.generator(torch.zeros(2, config.generator.z_dim)).shape[-2:] == (side, side)
    # The noise of StyleGAN2 starts at 0, and full FastGAN's too; everything else moves at once.
    moved = [
        key
        for key, value in state.generator.named_parameters()
        if not torch.equal(value, before[key])
    ]
    assert len(moved) > 0.8 * len(before)
    assert all(torch.isfinite(value).all() for value in state.generator.state_dict().values())


def test_without_an_average_the_average_is_the_generator() -> None:
    half_life = load_config(preset="article").training.ema_half_life_kimg
    config = tiny_config(training__ema_half_life_kimg=str(half_life))
    state, step = new_state(config), TrainStep(config, make_augment(config))
    step(state, reals())
    with torch.no_grad():
        for parameter in state.generator_ema.parameters():
            parameter.zero_()  # as far from the generator as can be
    step(state, reals())
    theirs = dict(state.generator.named_parameters())
    for key, value in state.generator_ema.named_parameters():
        assert torch.equal(value, theirs[key]), key
