"""Peak memory of a step, in a process of its own: this one holds other networks as well."""

from __future__ import annotations

import dataclasses

import torch

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.training.step import TrainStep
from projgan.workflows.bench.reference import (
    reference_arithmetic,
    reference_state,
    take_guard_off,
)
from projgan.workflows.doctor import trial

_STEPS = 2
"""Only the second has the optimisers' state."""


def peak_memory(config: RunConfig, *, is_reference: bool = False) -> trial.Trial:
    """A trial of a settled config, whose `memory_mb` counts; classes are left out.

    Args:
        is_reference: take the reference's step; `config` is one of `reference_config`.
    """
    data = dataclasses.replace(config.data, conditional=False, classes=())
    config = dataclasses.replace(config, data=data)
    if is_reference:
        return trial.try_steps(config, 0.0, least=_STEPS, module=__name__)
    return trial.try_steps(config, 0.0, least=_STEPS)


def take_steps(folder: str, seconds: float, least: int, limit_mb: float) -> None:
    """What the child does for the reference's step."""
    config = trial.read_task(folder, limit_mb)
    step = TrainStep(config, make_augment(config))
    take_guard_off(step)
    with reference_arithmetic():
        trial.report_steps(
            folder,
            config,
            reference_state(config),
            step,
            seconds,
            least=least,
            memory_format=torch.contiguous_format,
        )
