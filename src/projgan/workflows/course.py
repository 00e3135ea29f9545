"""The course of a sitting: the loop with all that hangs on it, over rollbacks and new attempts."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.data.sampler import Sampler
from projgan.errors import DivergedError, is_out_of_memory
from projgan.rundir import RunDir
from projgan.training.compiling import compile_networks
from projgan.training.health import FALLEN
from projgan.training.loop import Budget, Every, run_loop
from projgan.training.ranks import Ranks
from projgan.training.signals import StopRequest
from projgan.training.state import TrainingState
from projgan.training.step import TrainStep
from projgan.workflows.crew import gatherings
from projgan.workflows.recorder import Recorder
from projgan.workflows.rollback import find_way_back, roll_back
from projgan.workflows.shortage import (
    FIRST_STEPS,
    begin_again,
    device_faults,
    next_smaller,
    note_micro_batch,
    with_micro_batch,
)
from projgan.workflows.watch import Watch


class Course:
    """Trains from a state that is ready; begins anew after a rollback, or with less in memory.

    Args:
        run, config, pictures, state: of the run.
        recorder: writes what is to be written.
        further: more callbacks.
        stop: set by a signal, or by what was measured.
        watch: is told what happens.
        ranks: all processes that train it; this is the main one.
    """

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
