"""The trackers that a run can be recorded with, each opened and fed as accelerate's class wants it.

accelerate and the trackers are packages that projgan does without; they are imported here only when
a run asks for one.
"""

from __future__ import annotations

import importlib.util
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from projgan.errors import UsageError
from projgan.images import on_white

Tracker = Any
"""A GeneralTracker of accelerate."""
_IN_THE_EXTRA = ("tensorboard",)
"""Comes with `projgan[trackers]`, as accelerate does; the others are large, or want an account."""


@dataclass(frozen=True)
class Sitting:
    """What a tracker is opened for."""

    root: Path
    """The run folder."""
    project: str
    saved_id: str
    """Of the record that goes on; empty for a new one."""
    images_seen: int

    @property
    def name(self) -> str:
        """Of the run."""
        return self.root.resolve().name


@dataclass(frozen=True)
class Service:
    """One kind of tracker.

    `open` gives the tracker and the id under which its record can be found again. `show` takes a
    tracker, a file with a sample grid, and the images seen.
    """

    open: Callable[[Sitting], tuple[Tracker, str]]
    show: Callable[[Tracker, Path, int], None]


def require_packages(names: tuple[str, ...]) -> None:
    """Raise UsageError, with the pip command, unless all that these trackers need is installed."""
    for name in names:
        missing = [one for one in ("accelerate", name) if importlib.util.find_spec(one) is None]
        if not missing:
            continue
        packages = '"projgan[trackers]"' + ("" if name in _IN_THE_EXTRA else f" {name}")
        raise UsageError(
            f"the tracker {name} needs {' and '.join(missing)}, which is not installed",
            where="setting tracking.trackers",
            safe="nothing was started",
            next_command=f"pip install {packages}",
        )


def settle_processes() -> None:
    """Before any tracker: accelerate's trackers speak in the main process, and ask which it is."""
    from accelerate import PartialState  # noqa: PLC0415 - optional

    PartialState()


def _start(tracker: Tracker) -> Tracker:
    # In accelerate 1.6 a tracker starts when it is made; newer ones have to be told.
    start = getattr(tracker, "start", None)
    if start is not None:
        start()
    return tracker


def _open_tensorboard(sitting: Sitting) -> tuple[Tracker, str]:
    """Events in RUN/tensorboard; what a crash lost is purged by the step that comes again."""
    from accelerate.tracking import TensorBoardTracker  # noqa: PLC0415 - optional

    purge = sitting.images_seen + 1 if sitting.saved_id else None
    tracker = TensorBoardTracker("tensorboard", str(sitting.root), purge_step=purge)
    return _start(tracker), "tensorboard"


def _show_tensorboard(tracker: Tracker, grid: Path, images_seen: int) -> None:
    with Image.open(grid) as image:
        pixels = np.asarray(on_white(image).convert("RGB"))
    tracker.log_images({"samples": pixels[None]}, step=images_seen, dataformats="NHWC")


def _open_wandb(sitting: Sitting) -> tuple[Tracker, str]:
    from accelerate.tracking import WandBTracker  # noqa: PLC0415 - optional

    identity = sitting.saved_id or uuid.uuid4().hex[:12]
    tracker = WandBTracker(
        sitting.project, id=identity, name=sitting.name, dir=str(sitting.root), resume="allow"
    )
    return _start(tracker), identity


def _show_wandb(tracker: Tracker, grid: Path, images_seen: int) -> None:
    with Image.open(grid) as image:
        tracker.log_images({"samples": [image]}, step=images_seen)


def _open_mlflow(sitting: Sitting) -> tuple[Tracker, str]:
    from accelerate.tracking import MLflowTracker  # noqa: PLC0415 - optional

    tracker = _start(
        MLflowTracker(
            sitting.project,
            run_id=sitting.saved_id or None,
            run_name=None if sitting.saved_id else sitting.name,
        )
    )
    return tracker, str(tracker.tracker.info.run_id)


def _show_mlflow(tracker: Tracker, grid: Path, images_seen: int) -> None:
    del images_seen  # it is in the name of the file
    tracker.log_artifact(str(grid), "samples")


def _open_aim(sitting: Sitting) -> tuple[Tracker, str]:
    """A run in the repository `.aim` of the folder that holds the run folder."""
    from accelerate.tracking import AimTracker  # noqa: PLC0415 - optional

    tracker = _start(
        AimTracker(
            sitting.name,
            str(sitting.root.resolve().parent),
            run_hash=sitting.saved_id or None,
            experiment=sitting.project,
        )
    )
    return tracker, str(tracker.tracker.hash)


def _show_aim(tracker: Tracker, grid: Path, images_seen: int) -> None:
    with Image.open(grid) as image:
        tracker.log_images({"samples": image}, step=images_seen)


SERVICES = {
    "tensorboard": Service(_open_tensorboard, _show_tensorboard),
    "wandb": Service(_open_wandb, _show_wandb),
    "mlflow": Service(_open_mlflow, _show_mlflow),
    "aim": Service(_open_aim, _show_aim),
}
"""By the names of `config.tracking.TRACKERS`."""
