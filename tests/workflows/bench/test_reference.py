from __future__ import annotations

import json
from pathlib import Path

import torch
from torch import Tensor, nn

from projgan.build import make_augment
from projgan.config.load import to_json
from projgan.features.backbones import FeatureNetwork
from projgan.training.guard import Guard
from projgan.training.state import new_state
from projgan.training.step import TrainStep
from projgan.workflows.bench import memory
from projgan.workflows.bench.feed import write_noise
from projgan.workflows.bench.reference import (
    reference_arithmetic,
    reference_config,
    reference_state,
    take_guard_off,
)
from projgan.workflows.bench.rounds import Way
from tiny import reals, tiny_config

PLAIN, LAST = torch.contiguous_format, torch.channels_last


def test_its_settings() -> None:
    config = reference_config(tiny_config(training__precision="bf16"))
    assert config.training.step == "alternating"
    assert config.training.precision == "fp32"
    assert config.training.compile == "off"


def test_no_layer_sees_channels_last(tmp_path: Path) -> None:
    config = reference_config(tiny_config())
    way = Way("theirs", config, write_noise(tmp_path, config, 8), is_reference=True)
    state, seen = way.state, []

    def look(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        if inputs[0].shape[1] > 1 and inputs[0].shape[-1] > 1:  # others are in both formats
            seen.append(inputs[0].is_contiguous(memory_format=PLAIN))

    for network in (state.generator, state.discriminator):
        for module in network.modules():
            if isinstance(module, (nn.Conv2d, nn.BatchNorm2d)):
                module.register_forward_pre_hook(look)
    way.whole()
    way.whole()
    assert len(seen) > 50
    assert all(seen)
    weights = (*state.generator.parameters(), *state.discriminator.parameters())
    assert all(weight.is_contiguous() for weight in weights)


def test_the_frozen_network_is_as_timm_builds_it_and_sees_the_same() -> None:
    ours, theirs = new_state(tiny_config()), reference_state(reference_config(tiny_config()))
    norms = [m for m in theirs.discriminator.modules() if isinstance(m, nn.BatchNorm2d)]
    assert len(norms) > 20
    assert len(norms) > sum(isinstance(m, nn.BatchNorm2d) for m in ours.discriminator.modules())
    images = torch.rand(2, 3, 128, 128, generator=torch.Generator().manual_seed(0)) * 2 - 1
    maps = zip(ours.discriminator.look(images), theirs.discriminator.look(images), strict=True)
    for one, other in maps:
        torch.testing.assert_close(one, other, rtol=1e-3, atol=1e-4)


def test_an_unfolded_network_stays_frozen() -> None:
    network = FeatureNetwork("lite0", pretrained=False, folded=False).train()
    assert not any(module.training for module in network.modules())
    assert not any(parameter.requires_grad for parameter in network.parameters())


def test_its_optimisers_are_plain() -> None:
    config = reference_config(tiny_config(optimizer__lr_g="0.003"))
    state = reference_state(config)
    (group,) = state.optimizer_g.param_groups
    assert group["lr"] == 0.003
    assert group["betas"] == (0.0, 0.99)
    assert not group["fused"] and not group["capturable"]
    step = TrainStep(config, make_augment(config))
    step._guard = Guard(step.device, late=True)  # as on CUDA
    take_guard_off(step)
    step(state, reals().contiguous())
    assert not hasattr(state.optimizer_g, "found_inf")
    assert set(map(id, group["params"])) == set(map(id, state.generator.parameters()))


def test_arithmetic_is_put_back() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with reference_arithmetic():
        assert not torch.backends.cuda.matmul.allow_tf32
        assert not torch.backends.cudnn.allow_tf32
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


def test_its_memory_is_measured_on_its_own_step(tmp_path: Path) -> None:
    config = reference_config(tiny_config())
    (tmp_path / "config.json").write_text(to_json(config), encoding="utf-8")
    memory.take_steps(str(tmp_path), 0.0, 2, 0.0)
    answer = json.loads((tmp_path / "steps.json").read_text(encoding="utf-8"))
    assert answer["memory_mb"] > 50
    assert len(answer["steps_s"]) == 1
