"""Steps on pictures that are no colour squares, with every discriminator."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor

import projgan.training.machinery as machinery
from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.errors import UsageError
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import tiny_config


def reals(config: RunConfig) -> Tensor:
    stream = torch.Generator().manual_seed(0)
    shape = (config.training.batch, config.data.channels, *config.data.size)
    return torch.randint(0, 256, shape, dtype=torch.uint8, generator=stream)


def after(steps: int = 1, **changes: str) -> TrainingState:
    config = tiny_config(**changes)
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    for _ in range(steps):
        step(state, reals(config))
    return state


@pytest.mark.parametrize("discriminator", ["projected", "fastgan", "stylegan2"])
@pytest.mark.parametrize("mode", ["grey", "rgba"])
def test_every_channel_learns_from_every_discriminator(discriminator: str, mode: str) -> None:
    changes = {"discriminator__name": discriminator, "data__mode": mode}
    before = new_state(tiny_config(**changes)).generator.state_dict()["to_image.weight"]
    state = after(**changes)
    moved = state.generator.state_dict()["to_image.weight"] - before
    assert len(moved) == {"grey": 1, "rgba": 4}[mode]
    assert (moved.abs().amax(dim=(1, 2, 3)) > 0).all()
    means = state.averages.means()
    assert all(abs(means[name]) < 100 for name in ("loss_g", "loss_d", "logits_real"))


@pytest.mark.parametrize("name", ["fastgan", "stylegan2"])
def test_discriminators_from_pixels_are_for_squares(name: str) -> None:
    with pytest.raises(UsageError, match=f"the discriminator {name} is for squares"):
        tiny_config(data__resolution="64x32", discriminator__name=name)


@pytest.mark.parametrize("step", ["shared", "alternating"])
def test_every_batch_has_backgrounds_of_its_own(step: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reals and fakes, turn by turn and micro-batch by micro-batch; the same when run again."""
    right, seeds = machinery.composite, []

    def recorded(images: Tensor, *, generator: torch.Generator) -> Any:
        seeds.append(generator.initial_seed())
        assert images.shape == (2, 4, 32, 32)
        return right(images, generator=generator)

    monkeypatch.setattr(machinery, "composite", recorded)
    changes = {"data__mode": "rgba", "training__micro_batch": "2", "training__step": step}
    one = after(2, **changes)
    passes = 2 if step == "shared" else 3
    assert len(seeds) == len(set(seeds)) == 2 * 2 * passes
    first = list(seeds)
    other = after(2, **changes)
    assert seeds[len(first) :] == first
    for a, b in zip(one.generator.parameters(), other.generator.parameters(), strict=True):
        assert torch.equal(a, b)


def test_backgrounds_move_no_other_draw() -> None:
    """What the augmentation draws for opaque pictures is what it draws for colours."""
    colours = torch.linspace(-1, 1, 3 * 32 * 32).view(1, 3, 32, 32).expand(4, -1, -1, -1)
    opaque = torch.cat([colours, torch.ones(4, 1, 32, 32)], dim=1)
    seen = []
    for mode, images in (("rgb", colours), ("rgba", opaque)):
        config = tiny_config(data__mode=mode)
        step = TrainStep(config, make_augment(config))
        seen.append(step._augmented(new_state(config), images, "real", 0))
    assert torch.allclose(*seen, atol=1e-5)
