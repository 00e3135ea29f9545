"""The reference's way to take a step, with our networks: what a benchmark compares with.

Alternating, with new fakes for the discriminator; float32 without TF32; every tensor in the plain
memory format; the frozen network layer by layer; Adam as PyTorch makes it by default; nothing
compiled. `KEEPS` says what is ours all the same: each of those makes the reference faster here than
it would be, so a ratio against it is rather too small.
"""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Iterator

import torch

from projgan.config.schema import RunConfig
from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.features.backbones import FeatureNetwork
from projgan.features.weight_files import DEFAULT
from projgan.training.guard import Guard
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep

REFERENCE_STEP = "reference-step"

KEEPS = (
    "spectral norm as one division",
    "the projection's mixing before enlarging",
    "memory that stays with the process",
    "one foreach operation for the average",
)
"""What the reference's step keeps of ours."""


def reference_config(config: RunConfig) -> RunConfig:
    """The same run with the reference's step."""
    training = dataclasses.replace(
        config.training, step="alternating", precision="fp32", compile="off"
    )
    return dataclasses.replace(config, training=training)


def reference_state(config: RunConfig) -> TrainingState:
    """Fresh networks and optimisers of `reference_config`, as the reference keeps them."""
    state = new_state(config)
    if isinstance(state.discriminator, ProjectedDiscriminator):
        _unfold(state.discriminator, config)
    for network in (state.generator, state.generator_ema, state.discriminator):
        network.to(memory_format=torch.contiguous_format)
    state.optimizer_g = _plain_adam(state.optimizer_g)
    state.optimizer_d = _plain_adam(state.optimizer_d)
    return state


class _Onlooker(Guard):
    """Tells of what is not finite as a guard does, but keeps no update out.

    Only fused optimisers can be told on the device to leave things as they are.
    """

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        optimizer.step()


def take_guard_off(step: TrainStep) -> None:
    """Let `step` apply what it has computed, whatever it is: its optimisers are plain."""
    step._guard = _Onlooker(step.device)


@contextlib.contextmanager
def reference_arithmetic() -> Iterator[None]:
    """float32 as it is, without TF32, and the fastest convolutions that cuDNN finds."""
    matrices = torch.backends.cuda.matmul.allow_tf32
    cudnn = torch.backends.cudnn
    torch.backends.cuda.matmul.allow_tf32 = False
    try:
        with cudnn.flags(enabled=True, benchmark=True, allow_tf32=False):
            yield
    finally:
        torch.backends.cuda.matmul.allow_tf32 = matrices


def _unfold(discriminator: ProjectedDiscriminator, config: RunConfig) -> None:
    """Put frozen networks as timm builds them in the place of ours."""
    views = [discriminator, *discriminator.others]
    files = config.features.weights or (DEFAULT,) * len(views)
    for view, file in zip(views, files, strict=True):
        ours = view.features
        assert isinstance(ours, FeatureNetwork), "a view without a feature network"
        theirs = FeatureNetwork(
            ours.name,
            pretrained=config.features.pretrained,
            weights=file if config.features.pretrained else DEFAULT,
            input_size=ours.input_size,
            folded=False,
        )
        theirs.tokens = ours.tokens
        view.features = theirs.to(config.training.device)


def _plain_adam(ours: torch.optim.Optimizer) -> torch.optim.Adam:
    """The same settings and parameters, and PyTorch's choice of how to apply them."""
    return torch.optim.Adam(
        [
            {
                "params": group["params"],
                "lr": float(group["lr"]),
                "betas": group["betas"],
                "eps": group["eps"],
            }
            for group in ours.param_groups
        ]
    )
