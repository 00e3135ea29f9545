"""One step with a discriminator trained from pixels: both updates on one screen.

The two modes are those of the projected step. `alternating`: the generator learns first, then fresh
fakes of the updated generator and the reals teach the discriminator. `shared`: one set of fakes,
judged once, serves both; the verdict is differentiated twice, towards the pictures for the
generator and towards the discriminator's weights.

Which losses is the objective's affair (`training.objectives`). A penalty, where it has one, is an
update of its own after the discriminator's, every so many steps and in float32.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.training.objectives import Objective
from projgan.training.state import TrainingState
from projgan.training.step import Labels, Outcome, Parts, TrainStep


class ConventionalStep(TrainStep):
    """The game between a generator and a discriminator that sees pixels.

    Args:
        config, augment: as for every step.
        objective: the losses of the game.
    """

    def __init__(
        self,
        config: RunConfig,
        augment: Augment,
        objective: Objective,
        labels: Tensor | None = None,
    ) -> None:
        super().__init__(config, augment, labels)
        self._objective = objective

    def _update(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        update = self._shared if self.is_shared else self._alternating
        outcomes = update(state, reals, real_c)
        if self._objective.is_penalty_due(state.step):
            return self._penalise(state, reals, real_c, outcomes)
        return outcomes

    def _alternating(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        losses_g, outcomes = [], []

        state.discriminator.requires_grad_(False)
        turn = "generator's turn"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        for micro, (z, c) in enumerate(zip(latents, classes, strict=True)):
            fakes = self._augmented(state, self._generate(state, z, c), turn, micro)
            loss_g = self._objective.generator_loss(self._judge(state, fakes, c))
            (loss_g * self.scale).backward()
            losses_g.append(loss_g.detach())
        self._apply(state, state.optimizer_g, losses_g, "generator")

        state.discriminator.requires_grad_(True)
        turn = "discriminator's turn"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        parts = zip(latents, classes, zip(reals, real_c, strict=True), strict=True)
        for micro, (z, c, real) in enumerate(parts):
            with torch.no_grad():
                fakes = self._augmented(state, self._generate(state, z, c), "fake", micro)
            fake_logits = self._judge(state, fakes, c)
            loss_fake = self._objective.fake_loss(fake_logits)
            (loss_fake * self.scale).backward()
            outcomes.append(
                self._learn_reals(state, real, micro, losses_g[micro], loss_fake, fake_logits)
            )
        self._apply(state, state.optimizer_d, [_total(o) for o in outcomes], "discriminator")
        return outcomes

    # Deviation: FastGAN's fakes teach the discriminator first, and the generator learns from the
    # verdict of the updated one. Here one verdict serves both, which saves a pass.
    def _shared(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        parameters = list(state.discriminator.trainable_parameters())
        outcomes = []
        turn = "both turns"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        parts = zip(latents, classes, zip(reals, real_c, strict=True), strict=True)
        for micro, (z, c, real) in enumerate(parts):
            fakes = self._augmented(state, self._generate(state, z, c), "fake", micro)
            leaf = fakes.detach().requires_grad_()
            fake_logits = self._judge(state, leaf, c)
            loss_g = self._objective.generator_loss(fake_logits)
            loss_fake = self._objective.fake_loss(fake_logits)

            (towards,) = torch.autograd.grad(loss_g * self.scale, leaf, retain_graph=True)
            (loss_fake * self.scale).backward(inputs=parameters)
            fakes.backward(towards)
            outcomes.append(self._learn_reals(state, real, micro, loss_g, loss_fake, fake_logits))
        losses_d = [_total(o) for o in outcomes]
        self._require_finite(state, losses_d, "discriminator loss")
        self._apply(state, state.optimizer_g, [o.loss_g for o in outcomes], "generator")
        self._apply(state, state.optimizer_d, losses_d, "discriminator")
        return outcomes

    def _learn_reals(
        self,
        state: TrainingState,
        real: tuple[Tensor, Tensor | None],
        micro: int,
        loss_g: Tensor,
        loss_fake: Tensor,
        fake_logits: Tensor,
    ) -> Outcome:
        """The discriminator's gradient from reals (b, C, R, R) and their classes, in both modes."""
        pictures, c = real
        images = self._augmented(state, pictures, "real", micro)
        with self._autocast():
            real_logits, extras = self._objective.judge_reals(
                state.discriminator, images, c, (state.step, micro)
            )
        loss_real = self._objective.real_loss(real_logits)
        (sum(extras.values(), loss_real) * self.scale).backward()
        parts = (loss_g, loss_real, loss_fake, real_logits, fake_logits)
        return Outcome(
            *(part.detach() for part in parts),
            extras={name: value.detach() for name, value in extras.items()},
        )

    def _penalise(
        self, state: TrainingState, reals: Parts, real_c: Labels, outcomes: list[Outcome]
    ) -> list[Outcome]:
        """An update by the penalty, on the reals as they were seen; the outcomes with its size."""
        penalties = []
        for micro, (real, c) in enumerate(zip(reals, real_c, strict=True)):
            images = self._augmented(state, real, "real", micro).detach().requires_grad_()
            with self._autocast(enabled=False):
                penalty, as_counted = self._objective.penalty(state.discriminator, images, c)
            (penalty * self.scale).backward()
            penalties.append(as_counted.detach())
        self._apply(state, state.optimizer_d, penalties, "penalty")
        name = self._objective.penalty_name
        return [
            replace(outcome, extras={**outcome.extras, name: value})
            for outcome, value in zip(outcomes, penalties, strict=True)
        ]

    def _judge(self, state: TrainingState, images: Tensor, c: Tensor | None) -> Tensor:
        """The discriminator's logits: (b, M), float32."""
        with self._autocast():
            return state.discriminator(images, c).float()


def _total(outcome: Outcome) -> Tensor:
    """The discriminator's whole loss."""
    return sum(outcome.extras.values(), outcome.loss_real + outcome.loss_fake)
