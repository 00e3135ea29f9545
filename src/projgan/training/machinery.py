"""What the updates of a step are made of: latents, pictures, verdicts, optimisers, memory.

`training.step` puts these together. Shapes as there.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from projgan.augment.composite import composite
from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.rng import derive_seed, torch_stream
from projgan.training.guard import Guard
from projgan.training.ranks import Ranks
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
    extras: Mapping[str, Tensor] = field(default_factory=dict, kw_only=True)
    """Further terms of the discriminator's loss, as they enter it, by their name in the history."""

    @property
    def total_d(self) -> Tensor:
        """The discriminator's whole loss, further terms included."""
        return sum(self.extras.values(), self.loss_real + self.loss_fake)

    def for_controller(self) -> Tensor:
        """Both losses and the reals' mean sign: (3,)."""
        return torch.stack([self.loss_real, self.loss_fake, self.real_logits.sign().mean()])


_NORM_NAMES = {"generator": "grad_norm_g", "discriminator": "grad_norm_d"}
"""Of the gradients of an update, in the history; a penalty's are not told."""


class StepMachinery:
    """The parts of a step; holds settings, and no state but what its guard has yet to tell.

    Args:
        config, augment, labels, ranks: as for `training.step.TrainStep`.
    """

    def __init__(
        self, config: RunConfig, augment: Augment, labels: Tensor | None, ranks: Ranks
    ) -> None:
        assert config.data.conditional == (labels is not None), "labels are for conditional runs"
        training = config.training
        self.seed = training.seed
        self.batch = training.batch
        self.ranks = ranks
        # Whatever the number of processes, the batch has the same parts, if there are enough.
        self.micro_batch = min(training.micro_batch, self.batch // ranks.count)
        self.first_micro = ranks.index * (self.batch // self.micro_batch // ranks.count)
        self.is_bf16 = training.precision == "bf16"
        self.device = torch.device(training.device)
        self.is_conditional = labels is not None
        self._augment, self._labels = augment, labels
        self._guard = Guard(self.device)

    def _latents(self, state: TrainingState, turn: str) -> Parts:
        """This rank's latents of the step, k times (b, z_dim): seed, step and turn determine them.

        After a rollback they are others, or the run would fall the same way again.
        """
        seed = self.seed
        if state.rollbacks:
            seed = derive_seed(seed, "rollback", state.rollbacks)
        stream = torch_stream(seed, f"latents, {turn}", state.step)
        z = torch.randn(self.batch, state.generator.z_dim, generator=stream)
        return self._split(z)

    def _fake_classes(self, state: TrainingState, turn: str) -> Labels:
        """Classes for these latents: k times (b,), or None if the run is not conditional."""
        if self._labels is None:
            return self._no_classes()
        stream = torch_stream(self.seed, f"classes, {turn}", state.step)
        pictures = torch.randint(len(self._labels), (self.batch,), generator=stream)
        return self._split(self._labels[pictures])

    def _split(self, values: Tensor) -> Parts:
        """Of one value for each image of the batch this rank's, a part for each micro-batch."""
        return self.ranks.own(values).to(self.device).split(self.micro_batch)

    def _no_classes(self) -> Labels:
        return (None,) * (self.batch // self.ranks.count // self.micro_batch)

    def _generate(
        self, state: TrainingState, z: Tensor, c: Tensor | None, turn: str, micro: int
    ) -> Tensor:
        """(b, z_dim) -> (b, C, H, W) fakes, float32; noise has its own stream."""
        # The noise inside a generator comes from torch's global stream.
        torch.manual_seed(derive_seed(self.seed, f"noise, {turn}", state.step, micro))
        with self._autocast():
            # A generator without classes need not take them.
            return (state.generator(z) if c is None else state.generator(z, c)).float()

    def _augmented(self, state: TrainingState, images: Tensor, what: str, micro: int) -> Tensor:
        """(b, C, H, W) as the discriminator sees them, (b, 3, H, W).

        Seed, step, `what` and micro-batch determine the background, where one is needed, and the
        augmentation.
        """
        if images.shape[1] != 3:
            ground = self._stream(state, f"background, {what}", micro)
            images = composite(images, generator=ground)
        stream = self._stream(state, f"augment, {what}", micro)
        with self._autocast():
            return self._augment(images, generator=stream)

    def _stream(self, state: TrainingState, name: str, micro: int) -> torch.Generator:
        """The draws called `name` of one micro-batch of this step, on the device."""
        return torch_stream(self.seed, name, state.step, micro, device=self.device)

    def _see(self, state: TrainingState, images: Tensor, what: str, micro: int) -> list[Tensor]:
        """What the learner sees of (b, C, H, W): augmented, then through what is frozen."""
        augmented = self._augmented(state, images, what, micro)
        with self._autocast():
            return state.discriminator.look(augmented)

    def _judge(self, state: TrainingState, seen: list[Tensor], c: Tensor | None) -> Tensor:
        """The verdict on what was seen: (b, M) logits, float32."""
        with self._autocast():
            return state.discriminator.verdict(seen, c).float()

    def _apply(
        self,
        state: TrainingState,
        optimizer: torch.optim.Optimizer,
        name: str,
    ) -> None:
        """Update and clear the gradients; nothing is touched if one of them is not finite."""
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        gradients = [p.grad for p in parameters if p.grad is not None]
        self.ranks.add_up(gradients)
        norm = torch.nn.utils.get_total_norm(gradients)
        self._check(state, [norm], f"{name} gradient")  # the same in all ranks
        if name in _NORM_NAMES:
            state.averages.note(_NORM_NAMES[name], norm)
        self._guard.update(optimizer)
        optimizer.zero_grad(set_to_none=True)

    def _require_finite(self, state: TrainingState, values: list[Tensor], name: str) -> None:
        """Raise `DivergedError` if any of the losses is not finite; see `Guard` for when.

        What is not finite in one rank is not finite in the sum, and so stops all of them.
        """
        if self.ranks.count > 1:
            values = [torch.stack(values).sum()]
            self.ranks.add_up(values)
        self._check(state, values, name)

    def _check(self, state: TrainingState, values: list[Tensor], name: str) -> None:
        self._guard.check(values, name, step=state.step, images_seen=state.images_seen)

    def settle(self) -> None:
        """Wait until all that the last step found is known; call it before the state is used.

        Raises: DivergedError: as the step itself.
        """
        self._guard.settle()

    def _remember(self, state: TrainingState, outcomes: list[Outcome]) -> None:
        """Hand the losses to the history, and to the controller if it steers by them."""
        for o in outcomes:
            loss_d = o.loss_real + o.loss_fake
            state.averages.add(o.loss_g, loss_d, o.real_logits, o.fake_logits, extras=o.extras)
            for name, logits in (("heads_real", o.real_logits), ("heads_fake", o.fake_logits)):
                parts = state.discriminator.logits_by_head(logits)
                if len(parts) > 1:
                    signs = torch.stack([part.sign().mean() for part in parts])
                    state.averages.note(name, signs)
        if state.controller.is_steering:
            seen = torch.stack([o.for_controller() for o in outcomes]).sum(dim=0)
            self.ranks.add_up([seen])
            loss_real, loss_fake, sign_real = (seen / (len(outcomes) * self.ranks.count)).tolist()
            state.controller.observe(
                loss_real=loss_real, loss_fake=loss_fake, sign_real=sign_real, batch=self.batch
            )

    def _autocast(self, enabled: bool = True) -> torch.autocast:
        """bf16 for convolutions where the config says so; losses and norms stay float32."""
        is_bf16 = self.is_bf16 and enabled
        return torch.autocast(self.device.type, dtype=torch.bfloat16, enabled=is_bf16)
