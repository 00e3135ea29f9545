"""One sitting of a run: from a state that is ready to the end, a pause or a signal."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.data.sampler import Sampler
from projgan.errors import DivergedError, StoppedBySignal, is_out_of_memory
from projgan.generators.plugin import is_outside
from projgan.rundir import RunDir
from projgan.training.compiling import compile_networks
from projgan.training.device import prepare_device
from projgan.training.health import FALLEN
from projgan.training.history import append_line
from projgan.training.loop import Budget, Every, run_loop
from projgan.training.ranks import Ranks
from projgan.training.signals import StopRequest, catch_signals
from projgan.training.state import TrainingState
from projgan.training.step import TrainStep
from projgan.training.transfer import Transfer
from projgan.workflows.crew import call_others, gatherings, together
from projgan.workflows.disk import DiskWatch
from projgan.workflows.recorder import Metric, Recorder
from projgan.workflows.report import refresh_report
from projgan.workflows.rollback import find_way_back, roll_back
from projgan.workflows.shortage import (
    FIRST_STEPS,
    begin_again,
    device_faults,
    next_smaller,
    note_micro_batch,
    with_micro_batch,
)
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
    """One sitting, with all processes that were started together; this one is the main one."""
    with together(config.training.device) as ranks, device_faults(run, config, state):
        if ranks.count > 1:
            watch.note(
                f"{ranks.count} processes, each with {config.training.batch // ranks.count} images "
                f"of a batch; batch norms {config.training.batch_norm}"
            )
        call_others(ranks, config, pictures, until)
        return _sit(
            run,
            config,
            pictures,
            state,
            transfer,
            until=until,
            metric=metric,
            watch=watch,
            ranks=ranks,
        )


def _sit(
    run: RunDir,
    config: RunConfig,
    pictures: PreparedSet,
    state: TrainingState,
    transfer: Transfer | None,
    *,
    until: int | None,
    metric: Metric | None,
    watch: Watch,
    ranks: Ranks,
) -> TrainResult:
    """Train from `state` to the end, a pause or a signal; of several ranks, in the main one."""
    training = config.training
    budget = Budget.of(config)
    prepare_device(training)
    with catch_signals() as stop, tracked(run, config, state, watch.note) as trackers:
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
        sitting = _Sitting(
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
            sitting.train(budget, training.images if until is None else until)
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
    return TrainResult(
        run.root,
        state.images_seen,
        state.elapsed_s,
        signal_number=stop.signal_number,
        has_outside_code=is_outside(config.generator.name),
        ended="" if budget.is_used_up(state) else stop.reason,
    )


def _note_resume(run: RunDir, state: TrainingState, ranks: Ranks) -> None:
    """In the history, if there is one."""
    if run.history.exists():
        processes = {"processes": ranks.count} if ranks.count > 1 else {}
        event = {"event": "resume", "images_seen": state.images_seen}
        append_line(run.history, event | processes)


class _Sitting:
    """The loop with all that hangs on it; it begins anew after a rollback."""

    def __init__(
        self,
        run: RunDir,
        config: RunConfig,
        pictures: PreparedSet,
        state: TrainingState,
        recorder: Recorder,
        *,
        further: Sequence[Every],
        stop: StopRequest,
        watch: Watch,
        ranks: Ranks,
    ) -> None:
        self._further, self._ranks = further, ranks
        self._run, self._config, self._pictures = run, config, pictures
        self._state, self._recorder, self._stop, self._watch = state, recorder, stop, watch
        self._first_step = state.step

    def train(self, budget: Budget, until: int) -> None:
        """To the end, a pause or a stop, over as many rollbacks as there may be.

        Raises: DivergedError: a number is not finite or the run has collapsed, and it does not go
            back. ResourceError: the memory is not enough, or the device failed.
        """
        if self._config.training.compile == "on":
            self._compile()
        while True:
            try:
                self._decide(self._state)  # what was measured before a crash
                with device_faults(self._run, self._config, self._state):
                    is_done = self._has_room(budget, until)
                if is_done:
                    return
                self._hold_less()
            except DivergedError as error:
                self._fall(error)

    def _has_room(self, budget: Budget, until: int) -> bool:
        """Train; False if the first steps found too little memory, and may be tried with less."""
        try:
            self._loop(budget, until)
        except (RuntimeError, MemoryError) as error:
            training = self._config.training
            is_start = self._state.step - self._first_step < FIRST_STEPS
            can_shrink = next_smaller(training.micro_batch, training.batch)
            is_alone = self._ranks.count == 1  # the others would wait for the broken step
            if not (is_out_of_memory(error) and is_start and can_shrink and is_alone):
                raise
            return False  # the error is let go, and with it the tensors that its frames hold
        return True

    def _hold_less(self) -> None:
        """Begin the sitting again with half the pictures at once; the batch stays what it is."""
        training, state = self._config.training, self._state
        before = training.micro_batch
        now = next_smaller(before, training.batch)
        self._config = self._recorder.config = with_micro_batch(self._config, now)
        self._watch.note(
            f"the memory of {training.device} is not enough for {before} pictures at once: "
            f"beginning again with {now} (training.micro_batch); the batch stays {training.batch}"
        )
        begin_again(state, self._config, self._run)
        note_micro_batch(self._run, state.images_seen, before, now)
        self._recorder.go_on(state)
        if training.compile == "on":
            self._compile()

    def _compile(self) -> None:
        self._watch.note("compiling the networks: about a minute")
        augment = make_augment(self._config)
        problem = compile_networks(
            self._state, self._config, augment, self._labels(), ranks=self._ranks
        )
        if problem:
            self._watch.note(f"the networks train as they are, not compiled: {problem}")

    def _labels(self) -> torch.Tensor | None:
        data = self._pictures
        return data.classes_of(range(len(data))) if self._config.data.conditional else None

    def _loop(self, budget: Budget, until: int) -> None:
        config, data, state = self._config, self._pictures, self._state
        augment = make_augment(config, is_stronger=state.rollbacks > 0)
        callbacks = self._recorder.callbacks()
        every = config.metrics.every
        run_loop(
            state,
            TrainStep(config, augment, self._labels(), ranks=self._ranks),
            data,
            Sampler(len(data), seed=config.training.seed, mirror=config.data.mirror),
            budget=budget,
            until=until,
            callbacks=[
                Every(1, self._watch.step, at_end=False),
                *gatherings(config, self._ranks),
                *callbacks,
                *self._further,
                # After the checkpoint: a resume from it finds the same lines and decides the same.
                *([Every(every, self._decide)] if every else []),
            ],
            stop=self._stop,
        )
        state.averages.gather(self._ranks)
        if self._stop.reason and not budget.is_used_up(state):
            self._recorder.journal.event("flat", state.images_seen, {"reason": self._stop.reason})
            self._watch.note(f"the run ends: {self._stop.reason}")
            for callback in callbacks:
                if callback.at_end and not callback.is_due(state, config.training.batch):
                    callback.action(state)

    def _decide(self, state: TrainingState) -> None:
        try:
            self._recorder.decide(state, self._stop)
        except DivergedError:
            self._ranks.say_fallen()  # the others cannot see what was measured
            raise

    def _fall(self, error: DivergedError) -> None:
        """Go back to a checkpoint, or raise the error with what the user needs to know."""
        run, config, state = self._run, self._config, self._state
        if self._recorder.journal.state not in FALLEN:
            self._recorder.journal.diverged(state.images_seen, error.what)
        checkpoint = find_way_back(run, state, self._recorder)
        if checkpoint is not None:
            roll_back(run, state, checkpoint, self._recorder, reason=error.what)
            self._ranks.tell(True)
            self._ranks.share(state)
            self._watch.note(
                f"{error.what}: back to {state.images_seen:,} images with other latents and "
                f"stronger augmentation (rollback {state.rollbacks} of {config.health.rollbacks})"
            )
            return
        self._ranks.tell(False)
        error.where, error.safe = str(run.root), "its checkpoints, snapshots and samples"
        if self._recorder.has_fallen(state):
            error.safe = str(self._recorder.save(state))
            error.next_command = f"projgan sample {run.best} --grid    (the best that it had)"
            raise error
        error.next_command = (
            f"projgan train {config.data.path} --out NEW --set training.precision=fp32 "
            f"--set optimizer.lr_g={config.optimizer.lr_g / 2:g}"
        )
        raise error


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
