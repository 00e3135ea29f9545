"""Blocks that keep the weights they start with: what `training.freeze_*` asks for.

Only parameters stand still. Batch statistics, spectral-norm vectors and the mean style of a block
go on following what the network sees.
"""

from __future__ import annotations

from projgan.config.learning import TrainingConfig
from projgan.discriminators.base import Discriminator
from projgan.discriminators.heads import Heads
from projgan.errors import UsageError
from projgan.generators.base import Generator


def freeze(training: TrainingConfig, generator: Generator, discriminator: Discriminator) -> None:
    """Take the first blocks of both networks out of what learns; before optimisers are made.

    Raises: UsageError: there are not so many blocks, or no heads.
    """
    if training.freeze_heads:
        if not isinstance(discriminator.learner, Heads):
            raise UsageError(
                "a discriminator that is trained from pixels has no heads to freeze",
                where="setting training.freeze_heads",
            )
        discriminator.learner.freeze(training.freeze_heads)
    if not training.freeze_generator:
        return
    stages = generator.stages()
    if training.freeze_generator > len(stages):
        known = f"it has {len(stages)} that can be" if stages else "it names none (stages)"
        raise UsageError(
            f"{training.freeze_generator} blocks of the generator cannot be frozen: {known}",
            where="setting training.freeze_generator",
        )
    for stage in stages[: training.freeze_generator]:
        for parameter in stage:
            parameter.requires_grad_(False)
    if not any(parameter.requires_grad for parameter in generator.parameters()):
        raise UsageError(
            "nothing of the generator learns", where="setting training.freeze_generator"
        )


def frozen_names(generator: Generator) -> list[str]:
    """The generator's parameters that do not learn."""
    return [name for name, value in generator.named_parameters() if not value.requires_grad]
