"""One sitting of a run: from a state that is ready to the end, a pause or a signal."""

from __future__ import annotations

import math
import signal
from dataclasses import dataclass
from pathlib import Path

import torch

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.data.sampler import Sampler
from projgan.errors import DivergedError, StoppedBySignal
from projgan.generators.plugin import is_outside
from projgan.rundir import RunDir
from projgan.training.allocator import keep_freed_memory
from projgan.training.history import append_line
from projgan.training.loop import Budget, Every, run_loop
from projgan.training.signals import catch_signals
from projgan.training.state import TrainingState
from projgan.training.step import TrainStep
from projgan.training.transfer import Transfer
from projgan.workflows.recorder import Metric, Recorder
from projgan.workflows.report import refresh_report
from projgan.workflows.start import note_transfer
from projgan.workflows.trackers import tracked
from projgan.workflows.watch import Watch


@dataclass(frozen=True)
class TrainResult:
    """Where a finished run lies and how it went."""

    run: Path
    images_seen: int
    elapsed_s: float
    signal_number: int = 0
    """Of a Ctrl-C or SIGTERM that came when there was nothing left to stop."""
    has_outside_code: bool = False
    """Whether whoever opens or resumes it must allow the code of its generator."""

    @property
    def images_per_s(self) -> float:
        """Over all sittings, with nothing but the steps counted."""
        return self.images_seen / max(self.elapsed_s, 1e-9)


def budget_of(config: RunConfig) -> Budget:
    """How long the config lets a run be."""
    return Budget(config.training.images, config.training.minutes * 60 or math.inf)


def sit(
    run: RunDir,
    config: RunConfig,
    pictures: PreparedSet,
    state: TrainingState,
    transfer: Transfer | None,
    *,
    until: int | None,
    metric: Metric | None,
    watch: Watch,
) -> TrainResult:
    """Train from `state` to the end, a pause or a signal."""
    training = config.training
    budget = budget_of(config)
    torch.set_num_threads(training.threads)
    keep_freed_memory()
    with catch_signals() as stop, tracked(run, config, state, watch.note) as trackers:
        if run.history.exists():
            append_line(run.history, {"event": "resume", "images_seen": state.images_seen})
        recorder = Recorder(run, config, pictures, metric=metric, note=watch.note)
        recorder.begin(state)
        if transfer is not None:
            note_transfer(run, transfer)
            recorder.save(state)  # from here on, the source may go
        watch.begin(state, config)
        labels = pictures.classes_of(range(len(pictures))) if config.data.conditional else None
        sampler = Sampler(len(pictures), seed=training.seed, mirror=config.data.mirror)
        show = Every(1, watch.step, at_end=False)
        try:
            run_loop(
                state,
                TrainStep(config, make_augment(config), labels),
                pictures,
                sampler,
                budget=budget,
                until=training.images if until is None else until,
                callbacks=[show, *recorder.callbacks(), *trackers.callbacks()],
                stop=stop,
            )
        except DivergedError as error:
            error.where, error.safe = str(run.root), "its checkpoints, snapshots and samples"
            error.next_command = (
                f"projgan train {config.data.path} --out NEW --set training.precision=fp32 "
                f"--set optimizer.lr_g={config.optimizer.lr_g / 2:g}"
            )
            raise
        finally:
            watch.end()
        saved = None if budget.is_used_up(state) else recorder.save(state)
        if until is None and stop.signal_number != signal.SIGTERM:  # which asks for haste
            refresh_report(run, watch.note)
        if saved and stop:
            raise _stopped(stop.signal_number, state, saved, run, config)
    return TrainResult(
        run.root,
        state.images_seen,
        state.elapsed_s,
        signal_number=stop.signal_number,
        has_outside_code=is_outside(config.generator.name),
    )


def _stopped(
    number: int, state: TrainingState, saved: Path, run: RunDir, config: RunConfig
) -> StoppedBySignal:
    flag = " --allow-code" if is_outside(config.generator.name) else ""
    cause = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
    return StoppedBySignal(
        f"stopped by {cause} after {state.images_seen:,} images; everything is saved",
        signal_number=number,
        safe=str(saved),
        next_command=f"projgan resume {run.root}{flag}",
    )
