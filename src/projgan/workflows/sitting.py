"""One sitting of a run: from a state that is ready to the end, a pause or a signal."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from pathlib import Path

from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.errors import StoppedBySignal
from projgan.generators.plugin import is_outside
from projgan.rundir import RunDir
from projgan.training.device import prepare_device
from projgan.training.history import append_line
from projgan.training.loop import Budget
from projgan.training.ranks import Ranks
from projgan.training.signals import StopRequest, catch_signals
from projgan.training.state import TrainingState
from projgan.training.transfer import Transfer
from projgan.workflows.course import Course
from projgan.workflows.crew import leading
from projgan.workflows.disk import DiskWatch
from projgan.workflows.recorder import Metric, Recorder
from projgan.workflows.report import refresh_report
from projgan.workflows.shortage import device_faults
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
    ended: str = ""
    """Why the run ended before its budget was used up; empty if it did not."""

    @classmethod
    def of_follower(cls, run: Path, config: RunConfig) -> TrainResult:
        """In a process that is not the main one: that knows no more than how long the run was."""
        return cls(run, config.training.images, 0.0)

    @property
    def images_per_s(self) -> float:
        """Over all sittings, with nothing but the steps counted."""
        return self.images_seen / max(self.elapsed_s, 1e-9)


def lead(
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
    """Train from `state` to the end, a pause or a signal.

    If other processes were started with this one they take part, and this is the main one.
    """
    training = config.training
    budget = Budget.of(config)
    prepare_device(training)
    with (
        leading(config, pictures, until, watch) as ranks,
        device_faults(run, config, state),
        catch_signals() as stop,
        tracked(run, config, state, watch.note) as trackers,
    ):
        _note_resume(run, state, ranks)
        recorder = Recorder(run, config, pictures, metric=metric, note=watch.note)
        recorder.begin(state)
        if transfer is not None:
            note_transfer(run, transfer)
            recorder.save(state)  # from here on, the source may go
        ranks.share(state)
        disk = DiskWatch(run, config, state, watch.note)
        disk.begin(is_whole=until is None)
        watch.begin(state, config)
        course = Course(
            run,
            config,
            pictures,
            state,
            recorder,
            further=[*trackers.callbacks(), *disk.callbacks()],
            stop=stop,
            watch=watch,
            ranks=ranks,
        )
        try:
            course.train(budget, training.images if until is None else until)
        finally:
            watch.end()
        recorder.first(state)  # of a run that ends before its first step
        saved = None if budget.is_used_up(state) else recorder.save(state)
        is_stopped = saved is not None and stop.signal_number != 0
        ranks.tell(128 + stop.signal_number if is_stopped else 0)
        if until is None and stop.signal_number != signal.SIGTERM:  # which asks for haste
            refresh_report(run, watch.note)
        if saved is not None and is_stopped:
            raise _stopped(stop.signal_number, state, saved, run, config)
    return _result(run, config, state, stop)


def _result(run: RunDir, config: RunConfig, state: TrainingState, stop: StopRequest) -> TrainResult:
    return TrainResult(
        run.root,
        state.images_seen,
        state.elapsed_s,
        signal_number=stop.signal_number,
        has_outside_code=is_outside(config.generator.name),
        ended="" if Budget.of(config).is_used_up(state) else stop.reason,
    )


def _note_resume(run: RunDir, state: TrainingState, ranks: Ranks) -> None:
    """In the history, if there is one."""
    if run.history.exists():
        processes = {"processes": ranks.count} if ranks.count > 1 else {}
        event = {"event": "resume", "images_seen": state.images_seen}
        append_line(run.history, event | processes)


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
