"""Mistakes that a kill must bring to light: applied in a child of the nursery, never undone."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

from projgan import storage
from projgan.training import checkpoint
from projgan.training.state import TrainingState
from projgan.workflows import train


def _in_place() -> None:
    def write_folder(target: Path, write_files: Any, *, bytes_needed: int = 0) -> None:
        target.mkdir(parents=True)
        write_files(target)
        storage._seal(target)

    storage.write_folder = write_folder


def _no_sweep() -> None:
    storage.sweep = lambda parent: []


def _forgetting(forget: Callable[[TrainingState], None]) -> Callable[[], None]:
    def apply() -> None:
        def restore(found: checkpoint.Checkpoint, state: TrainingState) -> None:
            checkpoint.restore(found, state)
            forget(state)

        train.restore = restore

    return apply


def _no_optimizer(state: TrainingState) -> None:
    state.optimizer_g.state.clear()


def _no_random_state(state: TrainingState) -> None:
    """Streams follow from the counters: another step is another stream."""
    state.step += 1000


MUTANTS: dict[str, Callable[[], None]] = {
    "in-place write": _in_place,
    "leftovers stay": _no_sweep,
    "no optimizer state": _forgetting(_no_optimizer),
    "no random state": _forgetting(_no_random_state),
}
