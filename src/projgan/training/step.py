"""One step: both updates of a Projected GAN, on one screen.

Shapes: B images a step, in k micro-batches of b; C channels, R pixels a side; M logits a picture.

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

from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.augment.diffaug import DiffAugment
from projgan.config.schema import RunConfig
from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.errors import DivergedError
from projgan.generators.base import Generator
from projgan.images import to_float
from projgan.losses import hinge_fake_loss, hinge_generator_loss, hinge_real_loss
from projgan.rng import derive_seed, torch_stream
from projgan.training.ema import ema_beta, update_ema
from projgan.training.state import TrainingState


@dataclass(frozen=True)
class Logits:
    """What one micro-batch leaves for the history: detached scalars on the device."""

    loss_g: Tensor
    loss_d: Tensor
    real: Tensor
    fake: Tensor


class TrainStep:
    """Both updates for one batch of reals; holds settings and no state.

    Args:
        config: a settled config.
        augment: put before the discriminator, with its own draw for every batch of reals and of
            fakes.
    """

    def __init__(self, config: RunConfig, augment: DiffAugment) -> None:
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
        self._augment = augment

    def __call__(self, state: TrainingState, real: Tensor) -> None:
        """Update all of `state`, its counters included.

        Args:
            real: (B, C, R, R), uint8.
        Raises: DivergedError: a loss or gradient is not finite; that update was not applied.
        """
        torch.manual_seed(derive_seed(self.seed, "noise", state.step))  # noise inside the generator
        update = self._shared if self.is_shared else self._alternating
        logits = update(state, to_float(real).split(self.micro_batch))
        beta = ema_beta(
            state.images_seen,
            batch=self.batch,
            half_life_kimg=self.half_life_kimg,
            rampup=self.ema_rampup,
        )
        update_ema(state.generator_ema, state.generator, beta)
        state.step += 1
        state.images_seen += self.batch
        for one in logits:
            state.averages.add(one.loss_g, one.loss_d, one.real, one.fake)

    def _alternating(self, state: TrainingState, reals: tuple[Tensor, ...]) -> list[Logits]:
        generator, discriminator = state.generator.train(), state.discriminator.train()
        losses_g, losses_d, real_logits, fake_logits = [], [], [], []

        discriminator.heads.requires_grad_(False)
        for micro, z in enumerate(self.latents(state, "generator's turn")):
            fake = self.generate(generator, z)
            loss = hinge_generator_loss(
                self.judge(discriminator, fake, state.step, micro, "generator's turn")
            )
            (loss * self.scale).backward()
            losses_g.append(loss.detach())
        self.apply(state, state.optimizer_g, losses_g, "generator")

        discriminator.heads.requires_grad_(True)
        latents = self.latents(state, "heads' turn")
        for micro, (z, real) in enumerate(zip(latents, reals, strict=True)):
            with torch.no_grad():
                fake = self.generate(generator, z)
            fakes = self.judge(discriminator, fake, state.step, micro, "heads' turn, fake")
            loss_fake = hinge_fake_loss(fakes)
            (loss_fake * self.scale).backward()
            truths = self.judge(discriminator, real, state.step, micro, "heads' turn, real")
            loss_real = hinge_real_loss(truths)
            (loss_real * self.scale).backward()
            losses_d.append((loss_fake + loss_real).detach())
            real_logits.append(truths.detach())
            fake_logits.append(fakes.detach())
        self.apply(state, state.optimizer_d, losses_d, "discriminator")
        return [
            Logits(*four) for four in zip(losses_g, losses_d, real_logits, fake_logits, strict=True)
        ]

    def _shared(self, state: TrainingState, reals: tuple[Tensor, ...]) -> list[Logits]:
        generator, discriminator = state.generator.train(), state.discriminator.train()
        head_parameters = list(discriminator.trainable_parameters())
        results = []
        latents = self.latents(state, "both turns")
        for micro, (z, real) in enumerate(zip(latents, reals, strict=True)):
            fake = self.generate(generator, z)
            maps = self.project(discriminator, fake, state.step, micro, "both turns, fake")
            leaves = [m.detach().requires_grad_() for m in maps]
            fakes = self.look(discriminator, leaves)
            loss_g, loss_fake = hinge_generator_loss(fakes), hinge_fake_loss(fakes)

            towards_maps = torch.autograd.grad(loss_g * self.scale, leaves, retain_graph=True)
            (loss_fake * self.scale).backward(inputs=head_parameters)
            torch.autograd.backward(maps, list(towards_maps))

            with torch.no_grad():
                real_maps = self.project(
                    discriminator, real, state.step, micro, "heads' turn, real"
                )
            truths = self.look(discriminator, real_maps)
            loss_real = hinge_real_loss(truths)
            (loss_real * self.scale).backward(inputs=head_parameters)
            loss_d = (loss_fake + loss_real).detach()
            results.append(Logits(loss_g.detach(), loss_d, truths.detach(), fakes.detach()))
        self.require_finite(state, [r.loss_d for r in results], "discriminator loss")
        self.apply(state, state.optimizer_g, [r.loss_g for r in results], "generator")
        self.apply(state, state.optimizer_d, [r.loss_d for r in results], "discriminator")
        return results

    def latents(self, state: TrainingState, turn: str) -> tuple[Tensor, ...]:
        """The step's latents, which seed, step and turn determine: k times (b, z_dim)."""
        stream = torch_stream(self.seed, f"latents, {turn}", state.step)
        z = torch.randn(self.batch, state.generator.z_dim, generator=stream)
        return z.to(self.device).split(self.micro_batch)

    def generate(self, generator: Generator, z: Tensor) -> Tensor:
        """(b, z_dim) -> (b, C, R, R) fakes, float32."""
        with self.autocast():
            return generator(z).float()

    def project(
        self,
        discriminator: ProjectedDiscriminator,
        images: Tensor,
        step: int,
        micro: int,
        turn: str,
    ) -> list[Tensor]:
        """Augment, then the frozen part: four maps."""
        stream = torch_stream(self.seed, f"augment, {turn}", step, micro, device=self.device)
        with self.autocast():
            return discriminator.project(self._augment(images, generator=stream))

    def look(self, discriminator: ProjectedDiscriminator, maps: list[Tensor]) -> Tensor:
        """The heads' logits on four maps: (b, M), float32."""
        with self.autocast():
            return discriminator.heads(maps).float()

    def judge(
        self,
        discriminator: ProjectedDiscriminator,
        images: Tensor,
        step: int,
        micro: int,
        turn: str,
    ) -> Tensor:
        """Augment, project, look."""
        return self.look(discriminator, self.project(discriminator, images, step, micro, turn))

    def apply(
        self,
        state: TrainingState,
        optimizer: torch.optim.Optimizer,
        losses: list[Tensor],
        name: str,
    ) -> None:
        """Update and clear the gradients; nothing is touched if one of them is not finite."""
        gradients = [p.grad for group in optimizer.param_groups for p in group["params"]]
        norm = torch.nn.utils.get_total_norm([g for g in gradients if g is not None])
        self.require_finite(state, losses, f"{name} loss")
        self.require_finite(state, [norm], f"{name}'s gradient")
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    def require_finite(self, state: TrainingState, values: list[Tensor], name: str) -> None:
        """Raise `DivergedError` naming the step if any of the scalars is not finite."""
        if not torch.isfinite(torch.stack(values)).all():
            raise DivergedError(
                f"the {name} is not finite at step {state.step} ({state.images_seen} images); "
                "that update was not applied"
            )

    def autocast(self) -> torch.autocast:
        """bf16 for convolutions where the config says so; losses and normalisation stay float32."""
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=self.is_bf16)
