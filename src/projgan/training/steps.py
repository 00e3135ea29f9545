"""Which step a config asks for: the only place that chooses."""

from __future__ import annotations

from torch import Tensor

from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.training.conventional_step import ConventionalStep
from projgan.training.objectives import make_objective
from projgan.training.projected_step import ProjectedStep
from projgan.training.step import TrainStep


def make_step(config: RunConfig, augment: Augment, labels: Tensor | None = None) -> TrainStep:
    """The step that fits the config's discriminator.

    Args:
        config: a settled config.
        augment: put before the discriminator.
        labels: (N,) class indices of all pictures, if the run is conditional.
    """
    if config.discriminator.name == "projected":
        return ProjectedStep(config, augment, labels)
    return ConventionalStep(config, augment, make_objective(config), labels)
