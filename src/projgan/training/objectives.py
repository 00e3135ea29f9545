"""What the two networks minimise: the losses that go with each discriminator.

An objective holds settings and no state; its draws come from named streams.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from projgan.config.schema import RunConfig
from projgan.discriminators.base import Discriminator
from projgan.discriminators.fastgan import FastGANDiscriminator
from projgan.discriminators.reconstruction import NUM_CORNERS
from projgan.losses import (
    hinge_fake_loss,
    hinge_generator_loss,
    hinge_real_loss,
    logistic_fake_loss,
    logistic_generator_loss,
    logistic_real_loss,
    r1_penalty,
)
from projgan.rng import torch_stream

Loss = Callable[[Tensor], Tensor]
"""(b, M) raw logits -> scalar."""


class Objective:
    """The losses of the game, and what else the discriminator learns from reals: here, nothing.

    Attributes:
        generator_loss: what the generator minimises.
        fake_loss, real_loss: what the discriminator minimises on fakes and on reals.
    """

    # Hinge, unless an objective says otherwise: this alone is the projected discriminator's.
    generator_loss: Loss = staticmethod(hinge_generator_loss)
    fake_loss: Loss = staticmethod(hinge_fake_loss)
    real_loss: Loss = staticmethod(hinge_real_loss)
    penalty_name = ""
    """Of the penalty, in the history."""

    def judge_reals(
        self,
        discriminator: Discriminator,
        seen: list[Tensor],
        c: Tensor | None,
        position: tuple[int, int],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Logits of reals, and further terms of the discriminator's loss by name.

        Args:
            seen: what the discriminator's `look` gave for them.
            c: (b,) their classes, if the run is conditional.
            position: step and micro-batch, for draws.
        """
        return discriminator.verdict(seen, c).float(), {}

    def is_penalty_due(self, step: int) -> bool:
        """Whether this step ends with an update by the penalty."""
        return False

    def penalty(
        self, discriminator: Discriminator, images: Tensor, c: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """The penalty as it is minimised when it is due, and as it counts per step.

        Args:
            images: (b, 3, H, W), augmented reals that require a gradient.
            c: (b,) their classes, if the run is conditional.
        """
        raise NotImplementedError("this objective has no penalty")


class HingeWithReconstruction(Objective):
    """FastGAN's: hinge losses, and reals must be drawn again from what is known of them.

    Source: FastGAN (Liu et al., 2021), section 3.2 and equations 4 to 6.
    """

    def __init__(self, config: RunConfig) -> None:
        self._weight = config.discriminator.reconstruction
        self._seed = config.training.seed

    def judge_reals(
        self,
        discriminator: Discriminator,
        seen: list[Tensor],
        c: Tensor | None,
        position: tuple[int, int],
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """With `loss_reconstruction`: of the pictures, and of a part whose place is drawn."""
        assert isinstance(discriminator, FastGANDiscriminator), "only FastGAN's draws pictures"
        (images,) = seen
        logits, maps = discriminator.judge(images, c)
        if not self._weight:
            return logits.float(), {}
        stream = torch_stream(self._seed, "reconstructed part", *position)
        row, column = torch.randint(0, NUM_CORNERS, (2,), generator=stream).tolist()
        lost = discriminator.reconstruction(maps.map_16, maps.map_8, images, (row, column))
        return logits.float(), {"loss_reconstruction": self._weight * lost}


class LogisticWithR1(Objective):
    """StyleGAN2's: non-saturating logistic losses, and the R1 penalty every so many steps.

    A penalty that is due every k steps is minimised k times as strongly.

    Source: StyleGAN2 (Karras et al., 2020), section 3.1 (lazy regularisation) and appendix B.
    """

    # Deviation: R1 is taken around the augmented reals, which the discriminator sees; StyleGAN2-ADA
    # differentiates through the augmentation down to the pictures.

    generator_loss: Loss = staticmethod(logistic_generator_loss)
    fake_loss: Loss = staticmethod(logistic_fake_loss)
    real_loss: Loss = staticmethod(logistic_real_loss)
    penalty_name = "loss_r1"

    def __init__(self, config: RunConfig) -> None:
        self._gamma = config.discriminator.r1_gamma
        self._every = config.discriminator.r1_every

    def is_penalty_due(self, step: int) -> bool:
        """In the first step, and every `r1_every` steps after it; never where that is 0."""
        return self._every > 0 and step % self._every == 0

    def penalty(
        self, discriminator: Discriminator, images: Tensor, c: Tensor | None
    ) -> tuple[Tensor, Tensor]:
        """R1 times gamma / 2; times the interval for what is minimised."""
        counted = self._gamma / 2 * r1_penalty(discriminator(images, c), images)
        return counted * self._every, counted


def make_objective(config: RunConfig) -> Objective:
    """The objective of the config's discriminator."""
    if config.discriminator.name == "fastgan":
        return HingeWithReconstruction(config)
    if config.discriminator.name == "stylegan2":
        return LogisticWithR1(config)
    return Objective()
