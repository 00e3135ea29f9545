"""Whose turn it is, and what happens in a turn: an ordinary run goes on for a while."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from projgan.errors import DivergedError, StoppedBySignal
from projgan.rundir import RunDir
from projgan.training.checkpoint import find_latest
from projgan.training.loop import Budget
from projgan.training.state import TrainingState
from projgan.workflows.comparison.contenders import Entry
from projgan.workflows.comparison.outcomes import RunOutcome
from projgan.workflows.comparison.record import read_curve
from projgan.workflows.recorder import Metric
from projgan.workflows.sitting import TrainResult
from projgan.workflows.train import resume, train
from projgan.workflows.watch import Watch


class Run:
    """One contender with one seed: a run folder, and how far it is.

    Args:
        root: the folder of the comparison.
        entry: the contender.
        seed: of this run.
        diverged: why it cannot go on, if that is known; else empty.
        watch: is told what happens.
    """

    def __init__(self, root: Path, entry: Entry, seed: int, diverged: str, watch: Watch) -> None:
        self.name = run_folder(entry, seed)
        self.label = f"{entry.contender.name}, seed {seed}"
        self._entry, self._seed, self._diverged = entry, seed, diverged
        self._dir = RunDir(root / self.name)
        self._watch = watch
        self._images_seen, self._elapsed_s = 0, 0.0
        self._look()

    @property
    def progress(self) -> float:
        """Share of the budget that is used up; at least 1 at the end."""
        budget = Budget.of(self._entry.config)
        return max(self._images_seen / budget.images, self._elapsed_s / budget.seconds)

    @property
    def is_finished(self) -> bool:
        """Whether it cannot or must not go on."""
        return bool(self._diverged) or self.progress >= 1

    def take_turn(self, metric: Metric) -> int:
        """Train up to the next measurement, and leave everything on disk.

        Returns: the number of a signal that came when there was nothing left to stop, or 0.
        Raises: StoppedBySignal: after a save. A run that diverges is finished and does not raise.
        """
        every = self._entry.config.training.sample_every
        until = (self._images_seen // every + 1) * every
        until = min(until, self._entry.config.training.images)
        listener = _Listener(self._watch, self.label, self._images_seen, until)
        try:
            result = self._train(until, metric, listener)
        except StoppedBySignal:
            self._look()
            raise
        except DivergedError as error:
            self._diverged = error.what
            self._watch.note(f"{self.label}: diverged, and takes no more turns: {error.what}")
            return 0
        finally:
            self._watch.end()
        self._images_seen, self._elapsed_s = result.images_seen, result.elapsed_s
        curve = read_curve(self._dir.history)
        distance = f", distance {curve.final.distance:.1f}" if curve else ""
        self._watch.note(
            f"{self.label}: {self._images_seen:,} images in {self._elapsed_s / 60:.1f} minutes"
            f"{distance}"
        )
        return result.signal_number

    def outcome(self) -> RunOutcome:
        """How it goes, from what lies in its folder."""
        return RunOutcome(
            seed=self._seed,
            folder=self._dir.root,
            images_seen=self._images_seen,
            elapsed_s=self._elapsed_s,
            is_finished=self.is_finished,
            diverged=self._diverged,
            curve=read_curve(self._dir.history),
        )

    def _look(self) -> None:
        """See on disk how far the run is."""
        checkpoint, _ = find_latest(self._dir.checkpoints)
        if checkpoint is not None:
            self._images_seen = checkpoint.counters["images_seen"]
            self._elapsed_s = checkpoint.counters["elapsed_s"]

    def _train(self, until: int, metric: Metric, watch: Watch) -> TrainResult:
        if self._dir.config.is_file():
            # Whoever names a generator on the command line wants its code run, here as in train.
            is_named = "generator.name" in self._entry.options
            return resume(
                self._dir.root, until=until, allow_code=is_named, metric=metric, watch=watch
            )
        config = self._entry.config
        return train(
            config.data.path,
            preset=self._entry.preset,
            out=self._dir.root,
            options={**self._entry.options, "training.seed": str(self._seed)},
            overwrite=True,  # without a config it is a folder in which nothing began
            until=until,
            metric=metric,
            watch=watch,
        )


def run_folder(entry: Entry, seed: int) -> str:
    """The folder of a run inside that of the comparison."""
    return f"runs/{entry.contender.name}-seed{seed}"


def next_run(runs: Sequence[Sequence[Run]]) -> Run | None:
    """The run that is furthest behind its budget; None if all are finished.

    Args:
        runs: contender by contender, each with its seeds in the same order. Of equals, runs of one
            seed come after each other, so that they meet the machine in the same mood.
    """
    waiting = [
        (run.progress, number, place, run)
        for place, of_contender in enumerate(runs)
        for number, run in enumerate(of_contender)
        if not run.is_finished
    ]
    return min(waiting, key=lambda item: item[:3])[3] if waiting else None


class SayOnce(Watch):
    """Hands on what a run tells, but the same sentence only once: every turn would repeat it."""

    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._said: set[str] = set()

    def note(self, text: str) -> None:
        """A sentence, if it is new."""
        if text not in self._said:
            self._said.add(text)
            self._watch.note(text)

    def progress(self, label: str, done: int, total: int) -> None:
        """As it comes."""
        self._watch.progress(label, done, total)

    def end(self) -> None:
        """As it comes."""
        self._watch.end()


class _Listener(Watch):
    """Shows a turn as progress under its label instead of as a training of its own."""

    def __init__(self, watch: Watch, label: str, start: int, until: int) -> None:
        self._watch, self._label = watch, label
        self._start, self._until = start, until

    def note(self, text: str) -> None:
        self._watch.note(text)

    def progress(self, label: str, done: int, total: int) -> None:
        self._watch.progress(label, done, total)

    def step(self, state: TrainingState) -> None:
        done, total = state.images_seen - self._start, self._until - self._start
        if done < total:  # the end of a turn gets a line of its own
            self._watch.progress(self._label, done, total)
