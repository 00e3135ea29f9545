"""One step: both updates of a Projected GAN, on one screen.

Shapes: B images a step, in k micro-batches of b; C channels, R pixels a side; M logits a picture.
c are class indices (B,) of a conditional run, and None of another.

Two modes. `alternating`, the reference's: the generator learns first, then fresh fakes of the
updated generator and the reals teach the heads. `shared`: one set of fakes, augmented and projected
once, serves both; the heads' answer to it is differentiated twice, towards the picture for the
generator and towards the heads' weights for themselves. One generator pass, one feature pass and
one pass of the heads are saved, and both updates start from the same weights.

Gradients of micro-batches are averaged over the same latents and reals as one big batch, so k
micro-batches equal it wherever samples do not meet. Where they do, they differ: batch normalisation
sees b images instead of B, spectral norm takes k power iterations instead of one, and augmentation
and noise have other draws.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.errors import DivergedError
from projgan.images import to_float
from projgan.losses import hinge_fake_loss, hinge_generator_loss, hinge_real_loss
from projgan.rng import derive_seed, torch_stream
from projgan.training.ema import ema_beta, update_ema
from projgan.training.state import TrainingState

Parts = Sequence[Tensor]
"""Something for each micro-batch."""
Labels = Sequence[Tensor | None]
"""Classes for each micro-batch; each is None if the run is not conditional."""


@dataclass(frozen=True)
class Outcome:
    """What one micro-batch leaves behind: scalars and (b, M) logits, detached, on the device."""

    loss_g: Tensor
    loss_real: Tensor
    loss_fake: Tensor
    real_logits: Tensor
    fake_logits: Tensor


class TrainStep:
    """Both updates for one batch of reals; holds settings and no state.

    Args:
        config: a settled config.
        augment: put before the discriminator, with its own draws for each batch of reals or fakes.
        labels: (N,) class indices of all pictures, if the run is conditional: fakes get those of
            pictures drawn at random, so that their classes are distributed like the data's.
    """

    def __init__(self, config: RunConfig, augment: Augment, labels: Tensor | None = None) -> None:
        assert config.data.conditional == (labels is not None), "labels are for conditional runs"
        training = config.training
        self.seed = training.seed
        self.batch = training.batch
        self.micro_batch = training.micro_batch
        self.is_shared = training.step == "shared"
        self.scale = self.micro_batch / self.batch if training.accumulate == "mean" else 1.0
        self.half_life_kimg = training.ema_half_life_kimg
        self.ema_rampup = training.ema_rampup
        self.is_bf16 = training.precision == "bf16"
        self.device = torch.device(training.device)
        self.is_conditional = labels is not None
        self._augment, self._labels = augment, labels

    def __call__(self, state: TrainingState, real: Tensor, c: Tensor | None = None) -> None:
        """Update all of `state`, its counters included.

        Args:
            real: (B, C, R, R), uint8.
            c: (B,) their classes, if the run is conditional.
        Raises: DivergedError: a loss or gradient is not finite; that update was not applied.
        """
        self._augment.p = state.controller.p
        # The noise inside a generator comes from torch's global stream.
        torch.manual_seed(derive_seed(self.seed, "noise", state.step))
        state.generator.train()
        state.discriminator.train()
        update = self._shared if self.is_shared else self._alternating
        outcomes = update(state, to_float(real).split(self.micro_batch), self._split(c))
        beta = ema_beta(
            state.images_seen,
            batch=self.batch,
            half_life_kimg=self.half_life_kimg,
            rampup=self.ema_rampup,
        )
        update_ema(state.generator_ema, state.generator, beta)
        state.step += 1
        state.images_seen += self.batch
        self._remember(state, outcomes)

    def _alternating(self, state: TrainingState, reals: Parts, real_c: Labels) -> list[Outcome]:
        heads = state.discriminator.heads
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
        heads = state.discriminator.heads
        head_parameters = list(heads.parameters())
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

    def _latents(self, state: TrainingState, turn: str) -> tuple[Tensor, ...]:
        """The step's latents, which seed, step and turn determine: k times (b, z_dim)."""
        stream = torch_stream(self.seed, f"latents, {turn}", state.step)
        z = torch.randn(self.batch, state.generator.z_dim, generator=stream)
        return z.to(self.device).split(self.micro_batch)

    def _fake_classes(self, state: TrainingState, turn: str) -> Labels:
        """Classes for the step's latents: k times (b,), or None if the run is not conditional."""
        if self._labels is None:
            return self._split(None)
        stream = torch_stream(self.seed, f"classes, {turn}", state.step)
        pictures = torch.randint(len(self._labels), (self.batch,), generator=stream)
        return self._split(self._labels[pictures].to(self.device))

    def _split(self, c: Tensor | None) -> Labels:
        """One part for each micro-batch."""
        if c is None:
            return (None,) * (self.batch // self.micro_batch)
        return c.split(self.micro_batch)

    def _generate(self, state: TrainingState, z: Tensor, c: Tensor | None) -> Tensor:
        """(b, z_dim) -> (b, C, R, R) fakes, float32."""
        with self._autocast():
            # A generator without classes need not take them.
            return (state.generator(z) if c is None else state.generator(z, c)).float()

    def _project(self, state: TrainingState, images: Tensor, what: str, micro: int) -> list[Tensor]:
        """Augment (b, C, R, R), then the frozen part: four maps."""
        name = f"augment, {what}"
        stream = torch_stream(self.seed, name, state.step, micro, device=self.device)
        with self._autocast():
            return state.discriminator.project(self._augment(images, generator=stream))

    def _judge(self, state: TrainingState, maps: list[Tensor], c: Tensor | None) -> Tensor:
        """The heads' logits on four maps: (b, M), float32."""
        with self._autocast():
            return state.discriminator.heads(maps, c).float()

    def _apply(
        self,
        state: TrainingState,
        optimizer: torch.optim.Optimizer,
        losses: list[Tensor],
        name: str,
    ) -> None:
        """Update and clear the gradients; nothing is touched if one of them is not finite."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.get_total_norm([g for g in gradients if g is not None])
        self._require_finite(state, losses, f"{name} loss")
        self._require_finite(state, [norm], f"{name} gradient")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def _require_finite(self, state: TrainingState, values: list[Tensor], name: str) -> None:
        """Raise `DivergedError` naming the step if any of the scalars is not finite."""
        if not torch.isfinite(torch.stack(values)).all():
            raise DivergedError(
                f"the {name} is not finite at step {state.step} ({state.images_seen} images); "
                "that update was not applied"
            )

    def _remember(self, state: TrainingState, outcomes: list[Outcome]) -> None:
        """Hand the losses to the history, and to the controller if it steers by them."""
        for o in outcomes:
            state.averages.add(o.loss_g, o.loss_real + o.loss_fake, o.real_logits, o.fake_logits)
        if state.controller.is_steering:
            count = len(outcomes)
            state.controller.observe(
                loss_real=float(sum(o.loss_real for o in outcomes)) / count,
                loss_fake=float(sum(o.loss_fake for o in outcomes)) / count,
                sign_real=float(sum(o.real_logits.sign().mean() for o in outcomes)) / count,
                batch=self.batch,
            )

    def _autocast(self) -> torch.autocast:
        """bf16 for convolutions where the config says so; losses and norms stay float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.is_bf16)
