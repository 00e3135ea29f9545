"""A training state of a few hundred numbers, which the real checkpoint code writes and reads.

For suites that save thousands of times.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from projgan.augment.controllers import Controller
from projgan.config.schema import RunConfig
from projgan.training.checkpoint import save_checkpoint
from projgan.training.history import Averages

CONFIG = replace(RunConfig())


def small_state(step: int) -> Any:
    """What `save_checkpoint` needs of a TrainingState, different at every step."""
    torch.manual_seed(step)
    generator, average = nn.Linear(4, 4), nn.Linear(4, 4)
    discriminator = nn.Module()
    discriminator.learner = nn.Linear(4, 2)
    pairs = [
        (network, torch.optim.Adam(network.parameters()))
        for network in (generator, discriminator.learner)
    ]
    for network, optimizer in pairs:
        network(torch.ones(1, 4)).sum().backward()
        optimizer.step()
    return SimpleNamespace(
        generator=generator,
        generator_ema=average,
        discriminator=discriminator,
        optimizer_g=pairs[0][1],
        optimizer_d=pairs[1][1],
        step=step,
        images_seen=step * 4,
        elapsed_s=float(step),
        rollbacks=0,
        controller=Controller(),
        averages=Averages(),
    )


def save(root: Path, step: int, *, as_best: bool = False, anew: bool = False) -> Path:
    """One checkpoint of such a state."""
    return save_checkpoint(
        root,
        small_state(step),
        CONFIG,
        fingerprint="f",
        hashes={"a.png": "1"},
        as_best=as_best,
        anew=anew,
    )
