"""What a run writes on its way: history lines, chart, sample grids, snapshots and checkpoints."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch

from projgan import storage
from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.errors import DivergedError
from projgan.generators.base import Generator
from projgan.images import grid, save_image
from projgan.rng import numpy_stream
from projgan.rundir import RunDir
from projgan.snapshot import Snapshot
from projgan.snapshot import prune as prune_snapshots
from projgan.training.chart import draw_chart
from projgan.training.checkpoint import prune as prune_checkpoints
from projgan.training.checkpoint import require_finite, save_checkpoint
from projgan.training.health import FALLEN
from projgan.training.history import read_history
from projgan.training.loop import Every
from projgan.training.signals import StopRequest
from projgan.training.state import TrainingState
from projgan.workflows.class_grid import cell_classes, cell_pictures
from projgan.workflows.journal import Journal
from projgan.workflows.measure import Measure
from projgan.workflows.memory import peak_mb

Metric = Callable[[Snapshot], dict[str, float]]

DEFAULT_PATIENCE = 6
"""Measurements without an improvement after which a run is called flat, if it need not stop."""


class Recorder:
    """Writes into one run folder.

    Args:
        metric: measured at every sample grid, if given; its figures go into the history.
        note: told about pictures that could not be written, which never ends a run, and about the
            run's health.

    Attributes:
        config: of the run.
        journal: the history.
    """

    def __init__(
        self,
        run: RunDir,
        config: RunConfig,
        data: PreparedSet,
        *,
        metric: Metric | None = None,
        note: Callable[[str], None] = lambda text: None,
    ) -> None:
        self._run, self.config, self._data = run, config, data
        self._metric, self._note = metric, note
        metrics = config.metrics
        self.journal = Journal(
            run.history,
            judge=metrics.judge,
            patience=metrics.stop_when_flat or DEFAULT_PATIENCE,
            note=note,
        )
        self._measure = Measure(config, data, note=note)
        self._classes: list[int] | None = None  # of the cells of a grid
        if config.data.conditional and data.labels is not None:
            self._classes = cell_classes(config.training.grid_size, data.labels)
        self._last_log = (0, 0.0)
        self._untrained: Generator | None = None

    def begin(self, state: TrainingState) -> None:
        """Note where this sitting starts; of a new run, keep the generator for its first grid."""
        self.go_on(state)
        if state.images_seen == 0:
            self._untrained = copy.deepcopy(state.generator_ema)

    def first(self, state: TrainingState) -> None:
        """The grid of reals and the first grid of samples of a new run; otherwise nothing.

        They wait until the first step was shown: on a CPU they take as long as some steps.
        """
        if self._untrained is None:
            return
        snapshot = Snapshot(self._untrained, self.config, images_seen=0)
        self._untrained = None
        self._quietly(self.reals)
        self._samples(snapshot, elapsed_s=0.0)

    def go_on(self, state: TrainingState) -> None:
        """Take up the history where `state` is, after a resume or a rollback."""
        self._last_log = (state.images_seen, state.elapsed_s)
        self.journal.reread()

    def callbacks(self) -> list[Every]:
        """In this order: a checkpoint comes last, so that what it remembers has been written."""
        training, every = self.config.training, self.config.metrics.every
        return [
            *([Every(1, self.first)] if self._untrained is not None else []),
            Every(training.log_every, self.log),
            *([Every(every, self.measure)] if every else []),
            Every(training.sample_every, self.samples),
            Every(training.snapshot_every, self.snapshot),
            Every(training.checkpoint_every, self.checkpoint),
        ]

    def log(self, state: TrainingState) -> None:
        """A line of history, and a new interval."""
        images, seconds = state.images_seen - self._last_log[0], state.elapsed_s - self._last_log[1]
        if images == 0:
            return
        augment_p = {"augment_p": state.controller.p} if self.config.augment.adaptive else {}
        line = {
            "images_seen": state.images_seen,
            "step": state.step,
            "epoch": round(state.images_seen / len(self._data), 4),
            **state.averages.means(),
            **augment_p,
            "images_per_s": round(images / max(seconds, 1e-9), 3),
            "elapsed_s": round(state.elapsed_s, 2),
            "memory_mb": round(peak_mb(torch.device(self.config.training.device)), 1),
        }
        self.journal.write(line)
        state.averages.clear()
        self._last_log = (state.images_seen, state.elapsed_s)

    def measure(self, state: TrainingState) -> None:
        """A line of measurements, if there is time for it; the best snapshot so far is kept."""
        if not self._measure.is_due(state.elapsed_s, self.journal.measured_s):
            return
        snapshot = self._snapshot(state)
        line = {
            "images_seen": state.images_seen,
            "step": state.step,
            "elapsed_s": round(state.elapsed_s, 2),
        }
        figures = self._measure(snapshot)
        self.journal.write(line | figures)
        if self.journal.is_best():
            if self.config.health.on_collapse == "rollback":
                self.save(state, as_best=True)  # refuses what is not finite
            require_finite("the best snapshot", state.generator_ema.state_dict())
            about = {name: value for name, value in figures.items() if name != "measure_s"}
            snapshot.save(self._run.best, figures=about, replace=True)

    def decide(self, state: TrainingState, stop: StopRequest) -> None:
        """What follows from a measurement that was made just now.

        Asks `stop` to end a run that is flat.
        Raises: DivergedError: it has collapsed, and the config asks for more than a warning.
        """
        figures = self.journal.measurements
        if not figures or figures[-1]["images_seen"] != state.images_seen:
            return
        if self.has_fallen(state):
            raise DivergedError(f"{figures[-1]['state']} after {state.images_seen:,} images")
        patience, since = self.config.metrics.stop_when_flat, self.journal.since_improvement()
        if patience and since >= patience:
            stop.reason = f"{since} measurements without a better {self.config.metrics.judge}"

    def has_fallen(self, state: TrainingState) -> bool:
        """Whether a measurement made just now shows a collapse, and that is not only to be told."""
        if self.config.health.on_collapse == "warn" or not self.journal.measurements:
            return False
        newest = self.journal.measurements[-1]
        return newest["images_seen"] == state.images_seen and newest["state"] in FALLEN

    def samples(self, state: TrainingState) -> None:
        """The grid of the fixed latents, the metric if there is one, and the chart."""
        self._samples(self._snapshot(state), elapsed_s=state.elapsed_s)

    def _samples(self, snapshot: Snapshot, *, elapsed_s: float) -> None:
        seeds = range(self.config.training.grid_size)
        self._quietly(
            lambda: save_image(
                grid(snapshot.sample(seeds, classes=self._classes)),
                self._run.sample_grid(snapshot.images_seen),
            )
        )
        if self._metric is not None:
            line = {"images_seen": snapshot.images_seen, "elapsed_s": round(elapsed_s, 2)}
            self.journal.write(line | self._metric(snapshot))
        self._quietly(self.chart)

    def reals(self) -> None:
        """`samples/reals.png`: pictures of the set, to compare the samples with."""
        order = numpy_stream(self.config.training.seed, "reals grid").permutation(len(self._data))
        chosen = order[: self.config.training.grid_size]
        if self._classes is not None and self._data.labels is not None:
            chosen = np.array(cell_pictures(self._classes, self._data.labels, order))
        save_image(grid(self._data.images(chosen)), self._run.samples / "reals.png")

    def chart(self) -> None:
        """`history.png`."""
        title = (
            f"{self._run.root.name}: {self.config.generator.name}, {self.config.data.description}"
        )
        judge = self.config.discriminator
        if not judge.is_projected:
            title += f", discriminator {judge.name}"
        rows = read_history(self._run.history)
        draw_chart(rows, self._run.chart, title=title, loss=judge.loss)

    def snapshot(self, state: TrainingState) -> None:
        """The averaged generator, for use."""
        target = self._run.snapshot(state.images_seen)
        if not storage.is_whole(target):
            require_finite("the snapshot", state.generator_ema.state_dict())
            self._snapshot(state).save(target, replace=target.exists())
            prune_snapshots(self._run.snapshots, self.config.training.keep_snapshots)

    def checkpoint(self, state: TrainingState) -> None:
        """Everything for exact resume."""
        self.save(state)

    def save(self, state: TrainingState, *, as_best: bool = False, anew: bool = False) -> Path:
        """Write a checkpoint and say where it lies.

        Args:
            as_best: the best one, which stays until there is a better one.
            anew: one of the same step is replaced.
        """
        hashes = dict(zip(self._data.names, self._data.hashes, strict=True))
        root = self._run.checkpoints
        self._run.secure_history()
        target = save_checkpoint(
            root,
            state,
            self.config,
            fingerprint=self._data.fingerprint,
            hashes=hashes,
            as_best=as_best,
            anew=anew,
        )
        if not anew:  # going back: it is older than those that are about to be forgotten
            prune_checkpoints(root, self.config.training.keep_checkpoints)
        return target

    def _snapshot(self, state: TrainingState) -> Snapshot:
        # The average itself goes on training; what it lends to a snapshot is in eval mode already.
        return Snapshot(state.generator_ema, self.config, images_seen=state.images_seen)

    def _quietly(self, write: Callable[[], None]) -> None:
        """Pictures and charts are for looking at: a full disk must not end the run over them."""
        try:
            write()
        except OSError as error:
            self._note(f"a picture could not be written and training goes on: {error}")
