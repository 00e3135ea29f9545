"""What a run is between two steps: networks, optimisers and counters.

Random streams and the sampler have no state of their own (see `projgan.rng`), so this is all of it.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field

import torch

from projgan.augment.controllers import Controller
from projgan.build import make_controller, make_discriminator, make_generator, make_optimizers
from projgan.config.schema import RunConfig
from projgan.discriminators.base import Discriminator
from projgan.generators.base import Generator
from projgan.layers.noise import set_noise_mode
from projgan.layers.shared_norm import share_batch_norms
from projgan.processes import process_count
from projgan.training.freezing import freeze
from projgan.training.history import Averages
from projgan.training.recompute import recompute_parts


@dataclass
class TrainingState:
    """Everything that a step changes."""

    generator: Generator
    generator_ema: Generator
    discriminator: Discriminator
    optimizer_g: torch.optim.Adam
    optimizer_d: torch.optim.Adam
    step: int = 0
    """Steps done."""
    images_seen: int = 0
    """Real images shown to the discriminator."""
    elapsed_s: float = 0.0
    """Seconds of training, over all sittings."""
    rollbacks: int = 0
    """How often the run went back to an earlier checkpoint because it had collapsed."""
    controller: Controller = field(default_factory=Controller)
    """Of the probability of adaptive augmentations."""
    averages: Averages = field(default_factory=Averages)
    """Losses and logits since the last line of the history."""


def new_state(config: RunConfig) -> TrainingState:
    """The state before the first step, on the config's device, channels-last."""
    device = torch.device(config.training.device)
    generator = make_generator(config)
    discriminator = make_discriminator(config)
    generator_ema = copy.deepcopy(generator).requires_grad_(False).eval()
    set_noise_mode(generator_ema, "const")  # grids and films compare latents, not noise
    for network in (discriminator, generator, generator_ema):
        network.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    if config.training.batch_norm == "sync" and process_count() > 1:
        share_batch_norms(generator)
        share_batch_norms(discriminator.learner)
    freeze(config.training, generator, discriminator)
    if config.training.recompute:
        recompute_parts(generator, discriminator)
    optimizer_g, optimizer_d = make_optimizers(
        config.optimizer,
        generator,
        discriminator.trainable_parameters(),
        penalty_every=config.discriminator.penalty_every,
    )
    return TrainingState(
        generator,
        generator_ema,
        discriminator,
        optimizer_g,
        optimizer_d,
        controller=make_controller(config),
    )
