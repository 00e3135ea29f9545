"""One step of a Projected GAN: both updates on one screen.

Two modes. `alternating`, the reference's: the generator learns first, then fresh fakes of the
updated generator and the reals teach the heads. `shared`: one set of fakes, augmented and projected
once, serves both; the heads' answer to it is differentiated twice, towards the picture for the
generator and towards the heads' weights for themselves. One generator pass, one feature pass and
one pass of the heads are saved, and both updates start from the same weights.
"""

from __future__ import annotations

import torch
from torch import Tensor

from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.losses import hinge_fake_loss, hinge_generator_loss, hinge_real_loss
from projgan.training.state import TrainingState
from projgan.training.step import Labels, Outcome, Parts, TrainStep


class ProjectedStep(TrainStep):
    """The hinge game between a generator and heads on frozen, projected features."""

    def _update(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        update = self._shared if self.is_shared else self._alternating
        return update(state, reals, real_c)

    def _alternating(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        heads = state.discriminator.learner
        losses_g, outcomes = [], []

        heads.requires_grad_(False)
        turn = "generator's turn"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        for micro, (z, c) in enumerate(zip(latents, classes, strict=True)):
            maps = self._project(state, self._generate(state, z, c), "generator's turn", micro)
            loss_g = hinge_generator_loss(self._judge(state, maps, c))
            (loss_g * self.scale).backward()
            losses_g.append(loss_g.detach())
        self._apply(state, state.optimizer_g, losses_g, "generator")

        heads.requires_grad_(True)
        turn = "heads' turn"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        parts = zip(latents, classes, zip(reals, real_c, strict=True), strict=True)
        for micro, (z, c, real) in enumerate(parts):
            with torch.no_grad():
                fake_maps = self._project(state, self._generate(state, z, c), "fake", micro)
            fake_logits = self._judge(state, fake_maps, c)
            loss_fake = hinge_fake_loss(fake_logits)
            (loss_fake * self.scale).backward()
            outcomes.append(
                self._learn_reals(state, real, micro, losses_g[micro], loss_fake, fake_logits)
            )
        self._apply(
            state, state.optimizer_d, [o.loss_real + o.loss_fake for o in outcomes], "heads"
        )
        return outcomes

    def _shared(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        head_parameters = list(state.discriminator.trainable_parameters())
        outcomes = []
        turn = "both turns"
        latents, classes = self._latents(state, turn), self._fake_classes(state, turn)
        parts = zip(latents, classes, zip(reals, real_c, strict=True), strict=True)
        for micro, (z, c, real) in enumerate(parts):
            maps = self._project(state, self._generate(state, z, c), "fake", micro)
            leaves = [m.detach().requires_grad_() for m in maps]
            fake_logits = self._judge(state, leaves, c)
            loss_g, loss_fake = hinge_generator_loss(fake_logits), hinge_fake_loss(fake_logits)

            towards_maps = torch.autograd.grad(loss_g * self.scale, leaves, retain_graph=True)
            (loss_fake * self.scale).backward(inputs=head_parameters)
            torch.autograd.backward(maps, list(towards_maps))
            outcomes.append(self._learn_reals(state, real, micro, loss_g, loss_fake, fake_logits))
        losses_d = [o.loss_real + o.loss_fake for o in outcomes]
        self._require_finite(state, losses_d, "heads loss")
        self._apply(state, state.optimizer_g, [o.loss_g for o in outcomes], "generator")
        self._apply(state, state.optimizer_d, losses_d, "heads")
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
        """The heads' gradient from reals (b, C, R, R) and their classes; the same in both modes."""
        images, c = real
        with torch.no_grad():
            real_maps = self._project(state, images, "real", micro)
        real_logits = self._judge(state, real_maps, c)
        loss_real = hinge_real_loss(real_logits)
        (loss_real * self.scale).backward()
        parts = (loss_g, loss_real, loss_fake, real_logits, fake_logits)
        return Outcome(*(part.detach() for part in parts))

    def _project(self, state: TrainingState, images: Tensor, what: str, micro: int) -> list[Tensor]:
        """Augment (b, C, R, R), then the frozen part: four maps."""
        augmented = self._augmented(state, images, what, micro)
        with self._autocast():
            return _projected(state).project(augmented)

    def _judge(self, state: TrainingState, maps: list[Tensor], c: Tensor | None) -> Tensor:
        """The heads' logits on four maps: (b, M), float32."""
        with self._autocast():
            return _projected(state).heads(maps, c).float()


def _projected(state: TrainingState) -> ProjectedDiscriminator:
    assert isinstance(state.discriminator, ProjectedDiscriminator), "another kind of step fits"
    return state.discriminator
