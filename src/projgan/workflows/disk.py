"""What a run takes on its disk: told before it starts, and watched while there is less and less.

A save that does not fit is refused by `projgan.storage`, which knows its own size. Here it is said
while there is still time to make room.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable
from dataclasses import dataclass

from projgan import storage
from projgan.config.schema import RunConfig
from projgan.rundir import RunDir
from projgan.training.checkpoint import bytes_of
from projgan.training.loop import Every
from projgan.training.state import TrainingState
from projgan.workflows.page.story import MAX_GRIDS

_LINE_BYTES = 1_000
_CHART_BYTES = 200_000


@dataclass(frozen=True)
class DiskUse:
    """What a run will have written when it ends, in bytes; pictures at most, weights exactly.

    Attributes:
        checkpoint, snapshot: of one.
        num_checkpoints, num_snapshots: that are kept, the best ones included.
        num_grids: sample grids, the one of reals included.
        rest: grids, chart, history and page.
    """

    checkpoint: int
    snapshot: int
    num_checkpoints: int
    num_snapshots: int
    num_grids: int
    rest: int

    @property
    def kept(self) -> int:
        """Bytes in the folder at the end of the run."""
        weights = self.num_checkpoints * self.checkpoint + self.num_snapshots * self.snapshot
        return weights + self.rest

    @property
    def at_once(self) -> int:
        """The most there is at a time: a new checkpoint lies beside all older ones for a moment."""
        return self.kept + self.checkpoint

    def __str__(self) -> str:
        return (
            f"up to {in_words(self.kept)}: {self.num_checkpoints} checkpoints of "
            f"{in_words(self.checkpoint)}, {self.num_snapshots} snapshots of "
            f"{in_words(self.snapshot)}, {self.num_grids} sample grids"
        )


def estimate(state: TrainingState, config: RunConfig) -> DiskUse:
    """From the sizes of tensors and the settings; nothing is trained."""
    training, metrics = config.training, config.metrics
    weights = state.generator_ema.state_dict().values()
    snapshots = math.ceil(training.images / training.snapshot_every)
    if training.keep_snapshots:
        snapshots = min(snapshots, training.keep_snapshots)
    saves = math.ceil(training.images / training.checkpoint_every)
    keeps_best = bool(metrics.every)
    goes_back = keeps_best and config.health.on_collapse == "rollback"
    grids = math.ceil(training.images / training.sample_every) + 2
    height, width = config.data.size
    grid = training.grid_size * height * width * config.data.channels
    lines = math.ceil(training.images / training.log_every)
    page = math.ceil(min(grids, MAX_GRIDS) * grid * 4 / 3)  # base64
    return DiskUse(
        checkpoint=bytes_of(state),
        snapshot=sum(value.numel() * value.element_size() for value in weights),
        num_checkpoints=min(saves, training.keep_checkpoints) + goes_back,
        num_snapshots=snapshots + keeps_best,
        num_grids=grids,
        rest=grids * grid + page + lines * _LINE_BYTES + _CHART_BYTES,
    )


class DiskWatch:
    """Tells what a run will take, and warns when its disk has less than is still to come.

    Args:
        note: told each warning once a sitting.
    """

    def __init__(
        self, run: RunDir, config: RunConfig, state: TrainingState, note: Callable[[str], None]
    ) -> None:
        self._run, self._config, self._note = run, config, note
        self.use = estimate(state, config)
        self._said: set[str] = set()

    def begin(self, *, is_whole: bool) -> None:
        """Say in one line what the run will take and what is free, unless it is to pause soon."""
        free = self._free()
        if is_whole and free is not None:
            self._note(f"{self._run.root} takes {self.use}; {in_words(free)} are free")
        self.look()

    def callbacks(self) -> list[Every]:
        """Looking costs one call of the system."""
        return [Every(self._config.training.log_every, lambda state: self.look())]

    def look(self) -> None:
        """Warn if what is free is not enough: for the next saves, or for the rest of the run."""
        free = self._free()
        if free is None or free >= self.use.at_once:
            return
        next_saves = 2 * self.use.checkpoint + self.use.snapshot
        to_come = max(self.use.at_once - storage.folder_bytes(self._run.root), 0)
        if free < next_saves:
            self._say("soon", f"only {in_words(free)} are free: a save may fail soon")
        elif free < to_come:
            self._say(
                "later",
                f"the disk may fill up: {in_words(free)} are free, and up to {in_words(to_come)} "
                "are still to come",
            )

    def _say(self, what: str, text: str) -> None:
        if what in self._said:
            return
        self._said.add(what)
        keep = self._config.training.keep_snapshots
        fewer = "keep fewer: --set training.keep_snapshots=3" if keep == 0 or keep > 3 else ""
        more = f"make room (projgan prune){', or ' if fewer else ''}{fewer}"
        self._note(f"{text}. {more[0].upper()}{more[1:]}")

    def _free(self) -> int | None:
        """Bytes on the disk of the run; None where the system does not say."""
        try:
            return shutil.disk_usage(self._run.root).free
        except OSError:
            return None


def in_words(num_bytes: int) -> str:
    """Such as "23 MB" or "1.4 GB"."""
    if num_bytes < 1e6:
        return f"{num_bytes / 1e3:.0f} kB"
    if num_bytes < 1e9:
        return f"{num_bytes / 1e6:.0f} MB"
    return f"{num_bytes / 1e9:,.1f} GB"
