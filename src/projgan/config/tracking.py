"""Settings of trackers: who else gets to know what the history says."""

from __future__ import annotations

from dataclasses import dataclass

from projgan.config.checks import require
from projgan.errors import choose_from

TRACKERS = ("tensorboard", "wandb", "mlflow", "aim")


@dataclass(frozen=True, kw_only=True)
class TrackingConfig:
    """Trackers beside the run folder, which has everything without them."""

    trackers: tuple[str, ...] = ()
    """tensorboard, wandb, mlflow, aim; several with commas. Empty: none."""
    project: str = "projgan"
    """What runs are filed under: wandb's project, mlflow's and aim's experiment."""

    def __post_init__(self) -> None:
        for name in self.trackers:
            if name not in TRACKERS:
                raise choose_from("tracker", name, TRACKERS)
        twice = len(set(self.trackers)) < len(self.trackers)
        require(not twice, "tracking.trackers", "names a tracker twice")
        require(bool(self.project.strip()), "tracking.project", "must not be empty")
