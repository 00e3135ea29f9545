"""One step: both updates of the adversarial game, on one screen.

Shapes: B images a step, in k micro-batches of b; C channels, H x W pixels; M logits a picture.
c are class indices (B,) of a conditional run, and None of another.

Two modes. `alternating`, the reference's: the generator learns first, then fresh fakes of the
updated generator and the reals teach the discriminator. `shared`: one set of fakes, augmented and
seen once, serves both; the verdict on it is differentiated twice, towards what was seen for the
generator and towards the weights of the discriminator's learner. A pass of the generator, of the
frozen features and of the learner are saved, and both updates start from the same weights.

What the learner sees is the discriminator's affair: projected feature maps, or the pictures
themselves. Which losses there are is the objective's (`training.objectives`). A penalty, where it
has one, is an update of its own after the discriminator's, every so many steps and in float32.

Gradients of micro-batches are averaged over the same latents and reals as one big batch, so k
micro-batches equal it wherever samples do not meet. Where they do, they differ: batch normalisation
and the minibatch standard deviation see b images instead of B, spectral norm takes k power
iterations instead of one, and augmentation and noise have other draws.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.images import to_float
from projgan.training.ema import ema_beta, update_ema
from projgan.training.machinery import Labels, Outcome, Parts, StepMachinery
from projgan.training.objectives import make_objective
from projgan.training.ranks import ALONE, Ranks
from projgan.training.state import TrainingState


class TrainStep(StepMachinery):
    """Both updates for one batch of reals; holds settings, as `StepMachinery` does.

    Args:
        config: a settled config.
        augment: put before the discriminator, with its own draws for each batch of reals or fakes.
        labels: (N,) class indices of all pictures, if the run is conditional: fakes get those of
            pictures drawn at random, so that their classes are distributed like the data's.
        ranks: the processes that share the batch; B images are those of all.
    """

    def __init__(
        self,
        config: RunConfig,
        augment: Augment,
        labels: Tensor | None = None,
        *,
        ranks: Ranks = ALONE,
    ) -> None:
        super().__init__(config, augment, labels, ranks)
        training = config.training
        self.is_shared = training.step == "shared"
        self.scale = self.micro_batch / self.batch if training.accumulate == "mean" else 1.0
        self.half_life_kimg = training.ema_half_life_kimg
        self.ema_rampup = training.ema_rampup
        self._objective = make_objective(config)

    def __call__(self, state: TrainingState, real: Tensor, c: Tensor | None = None) -> None:
        """Update all of `state`, its counters included.

        Args:
            real: (B, C, H, W), uint8; of several ranks each gets its own share of them.
            c: (B,) their classes, if the run is conditional.
        Raises: DivergedError: a loss or gradient is not finite; that update was not applied. On
            CUDA the next call or `settle` raises it, and nothing in between was applied.
        """
        reals = to_float(real).split(self.micro_batch)
        real_c = self._no_classes() if c is None else c.split(self.micro_batch)
        outcomes = self._both_turns(state, reals, real_c)
        if self._objective.is_penalty_due(state.step):
            outcomes = self._penalise(state, reals, real_c, outcomes)
        beta = ema_beta(
            state.images_seen,
            batch=self.batch,
            half_life_kimg=self.half_life_kimg,
            rampup=self.ema_rampup,
        )
        update_ema(state.generator_ema, state.generator, beta)
        self._remember(state, outcomes)
        self._guard.end_step(step=state.step, images_seen=state.images_seen)
        state.step += 1
        state.images_seen += self.batch

    def _both_turns(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        self._augment.p = state.controller.p
        state.generator.train()
        state.discriminator.train()
        update = self._shared if self.is_shared else self._alternating
        return update(state, reals, real_c)

    def _alternating(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        losses_g, outcomes = [], []

        state.discriminator.learner.requires_grad_(False)
        turn = "generator's turn"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        for micro, (z, c) in enumerate(zip(latents, classes, strict=True), self.first_micro):
            seen = self._see(state, self._generate(state, z, c, turn, micro), turn, micro)
            loss_g = self._objective.generator_loss(self._judge(state, seen, c))
            (loss_g * self.scale).backward()
            losses_g.append(loss_g.detach())
        self._require_finite(state, losses_g, "generator loss")
        self._apply(state, state.optimizer_g, "generator")

        state.discriminator.learner.requires_grad_(True)
        turn = "discriminator's turn"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        parts = zip(latents, classes, zip(reals, real_c, strict=True), strict=True)
        for micro, (z, c, real) in enumerate(parts, self.first_micro):
            with torch.no_grad():
                seen = self._see(state, self._generate(state, z, c, turn, micro), "fake", micro)
            fake_logits = self._judge(state, seen, c)
            loss_fake = self._objective.fake_loss(fake_logits)
            (loss_fake * self.scale).backward()
            outcomes.append(
                self._learn_reals(
                    state, real, micro, losses_g[micro - self.first_micro], loss_fake, fake_logits
                )
            )
        self._require_finite(state, [o.total_d for o in outcomes], "discriminator loss")
        self._apply(state, state.optimizer_d, "discriminator")
        return outcomes

    # Deviation: FastGAN's fakes teach its own discriminator first, and the generator learns from
    # the verdict of the updated one. Here one verdict serves both, which saves a pass.
    def _shared(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        parameters = list(state.discriminator.trainable_parameters())
        outcomes = []
        turn = "both turns"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        parts = zip(latents, classes, zip(reals, real_c, strict=True), strict=True)
        for micro, (z, c, real) in enumerate(parts, self.first_micro):
            seen = self._see(state, self._generate(state, z, c, turn, micro), "fake", micro)
            leaves = [part.detach().requires_grad_() for part in seen]
            fake_logits = self._judge(state, leaves, c)
            loss_g = self._objective.generator_loss(fake_logits)
            loss_fake = self._objective.fake_loss(fake_logits)

            towards_seen = torch.autograd.grad(loss_g * self.scale, leaves, retain_graph=True)
            (loss_fake * self.scale).backward(inputs=parameters)
            torch.autograd.backward(seen, list(towards_seen))
            outcomes.append(self._learn_reals(state, real, micro, loss_g, loss_fake, fake_logits))
        self._require_finite(state, [o.total_d for o in outcomes], "discriminator loss")
        self._require_finite(state, [o.loss_g for o in outcomes], "generator loss")
        self._apply(state, state.optimizer_g, "generator")
        self._apply(state, state.optimizer_d, "discriminator")
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
        """The learner's gradient from reals (b, C, H, W) and their classes; in both modes."""
        images, c = real
        with torch.no_grad():
            seen = self._see(state, images, "real", micro)
        with self._autocast():
            real_logits, extras = self._objective.judge_reals(
                state.discriminator, seen, c, (state.step, micro)
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
        for micro, (real, c) in enumerate(zip(reals, real_c, strict=True), self.first_micro):
            images = self._augmented(state, real, "real", micro).detach().requires_grad_()
            with self._autocast(enabled=False):
                penalty, as_counted = self._objective.penalty(state.discriminator, images, c)
            (penalty * self.scale).backward()
            penalties.append(as_counted.detach())
        self._require_finite(state, penalties, "penalty loss")
        self._apply(state, state.optimizer_d, "penalty")
        name = self._objective.penalty_name
        return [
            replace(outcome, extras={**outcome.extras, name: value})
            for outcome, value in zip(outcomes, penalties, strict=True)
        ]
