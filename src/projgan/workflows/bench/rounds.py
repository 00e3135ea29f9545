"""Steps in turns: ours, theirs, ours, theirs. What slows the machine meanwhile slows both."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.training.compiling import compile_networks
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from projgan.workflows.bench.feed import Feed
from projgan.workflows.bench.reference import (
    reference_arithmetic,
    reference_state,
    take_guard_off,
)
from projgan.workflows.bench.stopwatch import Stopwatch
from projgan.workflows.bench.timed import PartClock, TimedStep

Parts = dict[str, float]
"""Seconds of one step by part."""


class Way:
    """One way to take steps, with networks of its own.

    Args:
        name: what it is called.
        config: settled.
        pictures: the reals, of its size and mode.
        is_reference: as the reference does it; `config` is then one of `reference_config`.
        of_processor: count the processor's time.

    Attributes:
        stopwatch: what times it.
        not_compiled: why its networks are not, although they should be; empty if all is well.
    """

    def __init__(
        self,
        name: str,
        config: RunConfig,
        pictures: PreparedSet,
        *,
        is_reference: bool = False,
        of_processor: bool = False,
    ) -> None:
        self.name, self.config, self.is_reference = name, config, is_reference
        self.device = torch.device(config.training.device)
        self.state: TrainingState = (reference_state if is_reference else new_state)(config)
        self.stopwatch = Stopwatch(self.device, of_processor=of_processor)
        self.clock = PartClock(self.stopwatch)
        self.feed = Feed(config, pictures)
        augment, labels = make_augment(config), self.feed.labels
        self.not_compiled = ""
        if config.training.compile == "on":
            self.not_compiled = compile_networks(self.state, config, augment, labels)
        self._step = TrainStep(config, augment, labels)
        self._timed = TimedStep(config, augment, labels, self.clock)
        if is_reference:
            for step in (self._step, self._timed):
                take_guard_off(step)

    @property
    def batch(self) -> int:
        """Images of a step."""
        return self.config.training.batch

    def whole(self) -> float:
        """Seconds of one step that nobody looks into, its batch being there."""
        torch.set_num_threads(self.config.training.threads)
        real, c = self._reals()
        with self._arithmetic():
            started = self.stopwatch.now()
            self._step(self.state, real, c)
            seconds = self.stopwatch.now() - started
        self._step.settle()
        return seconds

    def by_part(self) -> Parts:
        """Seconds of one step by part, its batch among them."""
        torch.set_num_threads(self.config.training.threads)
        with self._arithmetic():
            self.clock.start("data")
            real, c = self._reals()
            self._timed(self.state, real, c)
            self.clock.turn("")
        self._timed.settle()
        return self.clock.seconds

    def _reals(self) -> tuple[torch.Tensor, torch.Tensor | None]:
        real, c = self.feed.at(self.state.images_seen)
        return (real.contiguous() if self.is_reference else real), c

    def _arithmetic(self) -> contextlib.AbstractContextManager[None]:
        return reference_arithmetic() if self.is_reference else contextlib.nullcontext()


@dataclass(frozen=True)
class Rounds:
    """What some rounds took.

    Attributes:
        whole: for each way the seconds of its steps, round after round.
        parts: the first way's steps by part, round after round; none if nobody asked.
        first_s: for each way the seconds on the wall of its very first step, which also sets
            things up.
    """

    whole: tuple[tuple[float, ...], ...]
    parts: tuple[Parts, ...]
    first_s: tuple[float, ...]


def take_turns(
    ways: Sequence[Way],
    *,
    warm_up: int,
    repeats: int,
    by_part: bool = True,
    progress: Callable[[int, int], None] | None = None,
) -> Rounds:
    """Rounds in which each way takes a step, and the first one more, which is timed by part.

    Args:
        warm_up: rounds that do not count, at least 1.
        progress: is told how many rounds of how many are done.
    """
    whole: list[list[float]] = [[] for _ in ways]
    parts: list[Parts] = []
    first_s: list[float] = []
    for number in range(warm_up + repeats):
        for seconds, way in zip(whole, ways, strict=True):
            started = time.perf_counter()
            seconds.append(way.whole())
            if number == 0:
                first_s.append(time.perf_counter() - started)
        if by_part:
            parts.append(ways[0].by_part())
        if progress is not None:
            progress(number + 1, warm_up + repeats)
    return Rounds(
        tuple(tuple(seconds[warm_up:]) for seconds in whole),
        tuple(parts[warm_up:]),
        tuple(first_s),
    )
