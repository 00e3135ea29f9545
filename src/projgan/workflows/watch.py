"""What a workflow tells while it runs. The base class listens and says nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from projgan.config.schema import RunConfig

if TYPE_CHECKING:  # a terminal listens without importing torch
    from projgan.training.state import TrainingState


class Watch:
    """Listener for long work; a command line overrides what it wants to show."""

    def note(self, text: str) -> None:
        """One sentence that the user should read."""

    def progress(self, label: str, done: int, total: int) -> None:
        """`done` of `total` pictures, frames or files of the work called `label`."""

    def begin(self, state: TrainingState, config: RunConfig) -> None:
        """Training starts, or goes on, from `state`."""

    def step(self, state: TrainingState) -> None:
        """A step was done. Reading `state.averages.means()` waits for the device: do it seldom."""

    def end(self) -> None:
        """Training is over, or was stopped."""
