"""A training step with a feature network of every family, at the smallest settings."""

from __future__ import annotations

import pytest
import torch

from projgan.build import make_augment
from projgan.training.state import new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config


@pytest.mark.parametrize(
    "name, size, mode",
    [
        ("resnet18", "128", "shared"),
        ("regnety_002", "128", "shared"),
        ("convnext_atto", "128", "shared"),
        ("mobilenetv3_small_100", "128", "shared"),
        ("lite3", "128", "shared"),
        ("deit_tiny_patch16_224", "reference", "shared"),
        ("test_resnet,test_vit", "128,224", "shared"),
        ("test_resnet,test_vit", "128,224", "alternating"),
    ],
)
def test_a_step_trains_generator_and_heads(name: str, size: str, mode: str) -> None:
    config = tiny_config(
        features__name=name, features__input_size=size, training__batch="2", training__step=mode
    )
    state = new_state(config)
    before = {
        f"{part}.{key}": value.clone()
        for part, module in (("g", state.generator), ("d", state.discriminator))
        for key, value in module.state_dict().items()
    }
    TrainStep(config, make_augment(config))(state, reals(2))
    after = {f"g.{k}": v for k, v in state.generator.state_dict().items()}
    after |= {f"d.{k}": v for k, v in state.discriminator.state_dict().items()}
    changed = {key for key, value in after.items() if not torch.equal(value, before[key])}
    assert {key.split(".")[0] for key in changed} == {"g", "d"}
    assert all(key.startswith(("g.", "d.heads.")) for key in changed)
    learned = {key for key, _ in state.discriminator.heads.named_parameters()}
    assert {f"d.heads.{key}" for key in learned} <= changed
    assert all(torch.isfinite(value).all() for value in after.values())
