"""Where the time of a step goes: a clock with hands, and a step that turns them.

The step is the one of `training.step`; only the small methods that it is made of tell the clock
when they begin and end. Backward passes are told apart by gradients: when the one of the heads'
input arrives, the backward pass of the heads is over and that of the features begins, and so on
down to the generator. On an accelerator each turn of a hand waits for the device, so the sum of
the parts is a little more than a step that nobody looks into; a benchmark says both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor

from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.discriminators.base import Discriminator
from projgan.training.machinery import Labels, Outcome, Parts
from projgan.training.state import TrainingState
from projgan.training.step import TrainStep
from projgan.workflows.bench.stopwatch import Stopwatch

JudgeReals = Callable[
    [Discriminator, list[Tensor], Tensor | None, tuple[int, int]],
    tuple[Tensor, dict[str, Tensor]],
]
"""`Objective.judge_reals`."""
NETWORK_PARTS = ("generator", "augmentation", "features", "heads")
"""These have a forward and a backward pass."""
OTHER_PARTS = ("penalty", "optimiser", "ema", "data", "rest")
"""Optimiser: with the norms of gradients and the checks that numbers are finite. Data: the batch of
reals. Rest: latents, conversions, and what the history keeps. Penalty: what it takes besides."""


def backward_of(part: str) -> str:
    """The name of a part's backward pass."""
    return f"{part}, backward"


class PartClock:
    """Seconds by part; one part runs at a time.

    Args:
        stopwatch: whose seconds.

    Attributes:
        seconds: by part, since the last `start`.
    """

    def __init__(self, stopwatch: Stopwatch) -> None:
        self._stopwatch = stopwatch
        self._part, self._since = "", 0.0
        self.seconds: dict[str, float] = {}

    def start(self, part: str) -> None:
        """Forget what was measured, and begin with `part`."""
        self.seconds, self._part = {}, ""
        self.turn(part)

    def turn(self, part: str) -> str:
        """From now on the time is that of `part`, or nobody's if it is empty; returns the last."""
        now, last = self._stopwatch.now(), self._part
        if last:
            self.seconds[last] = self.seconds.get(last, 0.0) + now - self._since
        self._part, self._since = part, now
        return last

    @contextlib.contextmanager
    def on(self, part: str) -> Iterator[None]:
        """The time of `part` inside, and of what was before it afterwards."""
        before = self.turn(part)
        try:
            yield
        finally:
            self.turn(before)

    def turn_at_gradient(self, value: Tensor, part: str) -> None:
        """Turn to `part` when the gradient of `value` is known, in the backward pass."""

        def turn(_gradient: Tensor) -> None:
            self.turn(part)

        if value.requires_grad:
            value.register_hook(turn)


class TimedStep(TrainStep):
    """A step that tells a clock what it is doing. It computes what `TrainStep` does.

    Args:
        config, augment, labels: as for `TrainStep`.
        clock: is started by its owner; runs on as "rest" after the step.
    """

    def __init__(
        self, config: RunConfig, augment: Augment, labels: Tensor | None, clock: PartClock
    ) -> None:
        super().__init__(config, augment, labels)
        self._clock = clock
        objective: Any = self._objective
        objective.judge_reals = self._told(objective.judge_reals)

    def _told(self, judge_reals: JudgeReals) -> JudgeReals:
        """The same, and the clock is told."""

        def timed(
            discriminator: Discriminator, seen: list[Tensor], c: Tensor | None, at: tuple[int, int]
        ) -> tuple[Tensor, dict[str, Tensor]]:
            self._clock.turn("heads")
            result = judge_reals(discriminator, seen, c, at)
            self._clock.turn(backward_of("heads"))
            return result

        return timed

    def __call__(self, state: TrainingState, real: Tensor, c: Tensor | None = None) -> None:
        """As `TrainStep`."""
        self._clock.turn("rest")
        super().__call__(state, real, c)

    def _latents(self, state: TrainingState, turn: str) -> Parts:
        self._clock.turn("rest")
        return super()._latents(state, turn)

    def _generate(
        self, state: TrainingState, z: Tensor, c: Tensor | None, turn: str, micro: int
    ) -> Tensor:
        with self._clock.on("generator"):
            images = super()._generate(state, z, c, turn, micro)
        self._clock.turn_at_gradient(images, backward_of("generator"))
        return images

    def _augmented(self, state: TrainingState, images: Tensor, what: str, micro: int) -> Tensor:
        with self._clock.on("augmentation"):
            augmented = super()._augmented(state, images, what, micro)
        if augmented is not images:
            self._clock.turn_at_gradient(augmented, backward_of("augmentation"))
        return augmented

    def _see(self, state: TrainingState, images: Tensor, what: str, micro: int) -> list[Tensor]:
        with self._clock.on("features"):
            seen = super()._see(state, images, what, micro)
        if state.discriminator.learner is not state.discriminator:
            # The finest map's gradient is whole first: after the heads, before all else.
            self._clock.turn_at_gradient(seen[0], backward_of("features"))
        return seen

    def _judge(self, state: TrainingState, seen: list[Tensor], c: Tensor | None) -> Tensor:
        self._clock.turn("heads")
        logits = super()._judge(state, seen, c)
        self._clock.turn(backward_of("heads"))
        return logits

    def _apply(
        self,
        state: TrainingState,
        optimizer: torch.optim.Optimizer,
        name: str,
    ) -> None:
        self._clock.turn("optimiser")
        super()._apply(state, optimizer, name)
        self._clock.turn("ema")  # unless another update follows, which turns the clock itself

    def _require_finite(self, state: TrainingState, values: list[Tensor], name: str) -> None:
        self._clock.turn("optimiser")
        super()._require_finite(state, values, name)

    def _penalise(
        self, state: TrainingState, reals: Parts, real_c: Labels, outcomes: list[Outcome]
    ) -> list[Outcome]:
        self._clock.turn("penalty")
        result = super()._penalise(state, reals, real_c, outcomes)
        self._clock.turn("ema")
        return result

    def _remember(self, state: TrainingState, outcomes: list[Outcome]) -> None:
        self._clock.turn("rest")
        super()._remember(state, outcomes)
