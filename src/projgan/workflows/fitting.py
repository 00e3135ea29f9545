"""How much is held at once, chosen for the free memory by steps that are really taken.

`training.fit_memory` (`--batch auto`) keeps the batch, so that a run learns alike on every machine,
and chooses in how many parts it is computed. `training.batch=0` (`--batch largest`) chooses the
batch as well, and so depends on the machine. What was chosen is a plain number in the saved config:
a resume, on whatever machine, tries nothing and goes on with the same.

Ways are tried from the largest on. Maps that are computed again (`training.recompute`) come before
smaller parts, because they change no number, while batch statistics see a part only. Each trial is
a process of its own that ends as soon as it takes more than it may.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import torch

from projgan.build import settle
from projgan.config.learning import TrainingConfig
from projgan.config.schema import RunConfig
from projgan.errors import ResourceError, UsageError
from projgan.processes import process_count
from projgan.workflows.doctor.trial import try_steps
from projgan.workflows.memory import budget
from projgan.workflows.watch import Watch

LARGEST = 64
"""The reference's batch, for whose size learning rates are known to do."""
_STEPS = 2
"""Optimisers have their memory from the second step on."""


@dataclass(frozen=True)
class Way:
    """One way to compute a step."""

    batch: int
    micro_batch: int
    recompute: bool

    def __str__(self) -> str:
        parts = f", {self.micro_batch} at once" if self.micro_batch < self.batch else ""
        return f"batch {self.batch}{parts}{', recomputed maps' if self.recompute else ''}"


def is_open(training: TrainingConfig) -> bool:
    """Whether something is left to the machine's memory."""
    return training.fit_memory or not training.batch


def fit_to_memory(config: RunConfig, watch: Watch) -> RunConfig:
    """The config with what its memory decides; as it is if nothing is left to that.

    Raises: UsageError: the free memory is not known. ResourceError: no way fits into it.
    """
    training = config.training
    if not is_open(training):
        return config
    if process_count() > 1:
        raise UsageError(
            "several processes share a batch, and one cannot try what fits for all",
            where="setting training.fit_memory or training.batch",
            next_command="say it: --batch 64 --set training.micro_batch=8",
        )
    allowed = budget(torch.device(training.device)) / 1e6
    if not allowed:
        raise UsageError(
            f"the free memory of {training.device} cannot be told",
            where="setting training.fit_memory or training.batch",
            next_command="say it: --batch 8 --set training.micro_batch=4",
        )
    for way in ways(training):
        watch.note(f"trying {way} in {allowed / 1e3:.1f} GB")
        trial = try_steps(_tried(config, way), 0.0, least=_STEPS, limit_mb=allowed)
        if not trial.problem:
            watch.note(f"{way}: takes {trial.memory_mb / 1e3:.1f} GB")
            return _settled(config, way)
        watch.note(f"{way}: {trial.problem}")
    raise ResourceError(
        f"no way to hold a step fits into the {allowed / 1e3:.1f} GB that may be used",
        where=f"device {training.device}",
        safe="nothing was written",
        next_command="a smaller --resolution, generator.width or features.input_size",
    )


def ways(training: TrainingConfig) -> list[Way]:
    """All ways that the settings leave open, the best first.

    A micro-batch that is set is the most that is held at once.
    """
    recomputes = (True,) if training.recompute else (False, True)
    if not training.batch:
        sizes = [LARGEST >> halvings for halvings in range(6)]
        return [Way(size, size, again) for size in sizes for again in recomputes]
    most = training.micro_batch or training.batch
    parts = [size for size in range(most, 1, -1) if training.batch % size == 0]
    return [Way(training.batch, size, again) for size in parts for again in recomputes]


def _tried(config: RunConfig, way: Way) -> RunConfig:
    """The config for the trial: two parts weigh as much as many; classes weigh nothing."""
    batch = min(way.batch, 2 * way.micro_batch)
    tried = _settled(config, dataclasses.replace(way, batch=batch))
    data = dataclasses.replace(tried.data, conditional=False, classes=())
    return dataclasses.replace(tried, data=data)


def _settled(config: RunConfig, way: Way) -> RunConfig:
    """The config with a way; what follows from the batch is settled if it was open."""
    training = dataclasses.replace(
        config.training,
        fit_memory=False,
        compile="off" if way.recompute else config.training.compile,
        **dataclasses.asdict(way),
    )
    return settle(dataclasses.replace(config, training=training))
