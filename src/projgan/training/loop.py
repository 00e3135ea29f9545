"""The loop: batch after batch until the images are used up, and what happens every so many images.

It knows no metric, no command line and no file name: what is written, shown or measured hangs on it
as callbacks, which `projgan.workflows` plugs in.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from projgan.config.schema import RunConfig
from projgan.data.batches import Batches
from projgan.data.dataset import PreparedSet
from projgan.data.sampler import Sampler
from projgan.training.ranks import ALONE, Ranks
from projgan.training.signals import StopRequest
from projgan.training.state import TrainingState
from projgan.training.step import TrainStep

Callback = Callable[[TrainingState], None]


@dataclass(frozen=True)
class Every:
    """Call `action` whenever another `images` images have been seen, and at the end of the run."""

    images: int
    action: Callback
    at_end: bool = True

    def is_due(self, state: TrainingState, batch: int) -> bool:
        """Whether the last step crossed a multiple of `images`."""
        before = state.images_seen - batch
        return state.images_seen // self.images > before // self.images


@dataclass(frozen=True)
class Budget:
    """How long a run is: in images seen, and in seconds of training, whichever ends first."""

    images: int
    seconds: float = math.inf

    @classmethod
    def of(cls, config: RunConfig) -> Budget:
        """How long the config lets a run be."""
        return cls(config.training.images, config.training.minutes * 60 or math.inf)

    def is_used_up(self, state: TrainingState, ranks: Ranks = ALONE) -> bool:
        """Whether the run is at its end; for all ranks if it is for one, whose clock is ahead."""
        if self.seconds == math.inf:
            return state.images_seen >= self.images
        return ranks.agree(state.images_seen >= self.images or state.elapsed_s >= self.seconds) > 0


def _is_over(budget: Budget, state: TrainingState, stop: StopRequest, ranks: Ranks) -> bool:
    """Whether the run ends here; all ranks hear of a stop that one of them was asked for."""
    agreed = ranks.agree(stop.number)
    stop.hear(agreed)
    # Not `stop` itself: a signal that came just now is for the next time, when all hear of it.
    return agreed != 0 or budget.is_used_up(state, ranks)


def run_loop(
    state: TrainingState,
    step: TrainStep,
    data: PreparedSet,
    sampler: Sampler,
    *,
    budget: Budget,
    until: int,
    callbacks: Sequence[Every],
    stop: StopRequest,
) -> None:
    """Train until the budget is used up, `until` images were seen, or `stop` is set.

    Steps are never cut short. Callbacks run in their order after the step that made them due. At
    the end of the budget each runs once more unless it just did; after `until` or a stop none does,
    because such a run is not at its end. All ranks of a group run this loop, each with its share of
    a batch, and end it together.
    Raises: FallenElsewhere: the main rank found that the run has fallen, and this is another one.
    """
    ranks = step.ranks
    batches = Batches(
        data,
        sampler,
        step.batch,
        device=step.device,
        with_classes=step.is_conditional,
        share=ranks.own,
    )
    with batches:
        while not (_is_over(budget, state, stop, ranks) or state.images_seen >= until):
            started = time.monotonic()
            real, c = batches.at(state.images_seen)
            step(state, real, c)
            state.elapsed_s += time.monotonic() - started
            is_last = budget.is_used_up(state, ranks)
            due = [
                one
                for one in callbacks
                if one.is_due(state, step.batch) or (is_last and one.at_end)
            ]
            if any(callback.images > 1 for callback in due):  # one for every step only looks on
                step.settle()
            for callback in due:
                callback.action(state)
    step.settle()
