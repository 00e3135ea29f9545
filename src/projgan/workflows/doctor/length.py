"""Which preset fits into the time: candidates from small to large, each tried for some seconds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from projgan.config.shapes import RESOLUTIONS, Resolution
from projgan.workflows.doctor.advice import PRESETS
from projgan.workflows.doctor.looking import Progress
from projgan.workflows.doctor.trial import Trial, try_steps
from projgan.workflows.train import plan

_FIRST = 64
_LAST = 256
"""Larger squares are tried only if the pictures carry more and the time allows this one."""


@dataclass(frozen=True)
class Candidate:
    """One preset at one size, and what trying it gave.

    Attributes:
        side: of the square that it stands for.
        images: length of its run.
        trial: None if it was not tried.
        hours: shortest and longest; 0 without a trial.
    """

    preset: str
    side: int
    resolution: Resolution
    images: int
    device: str
    precision: str
    threads: int
    trial: Trial | None

    @property
    def hours(self) -> tuple[float, float]:
        """Shortest and longest."""
        if self.trial is None or not self.trial.steps_s:
            return 0.0, 0.0
        return self.trial.hours(self.images)

    @property
    def was_measured(self) -> bool:
        """Whether there is a figure."""
        return self.trial is not None and bool(self.trial.steps_s)


def try_presets(
    data: str,
    shapes: Mapping[int, Resolution],
    options: Mapping[str, str],
    *,
    seconds: float,
    most_hours: float,
    progress: Progress,
) -> list[Candidate]:
    """Candidates from small to large, up to the first that takes too long or too much memory.

    Args:
        shapes: square side -> resolution, for each size that the pictures carry.
        options: settings that go with all of them.
        seconds: of steps, in all; 0 tries nothing and returns the candidates as they are.
    Raises: ResourceError: the device, or the weights of the feature network, are not there.
    """
    sides = [side for side in RESOLUTIONS if side in shapes and side >= _FIRST]
    sides = sides or sorted(shapes)
    found: list[Candidate] = []
    for number, side in enumerate(sides):
        chosen = {**options, "data.resolution": str(shapes[side])}
        config = plan(data, preset=PRESETS[side], options=chosen)
        training = config.training
        share = seconds / min(len(sides), 3)
        trial = try_steps(config, share) if seconds else None
        progress("trying presets", number + 1, len(sides))
        found.append(
            Candidate(
                PRESETS[side],
                side,
                config.data.resolution,
                training.images,
                training.device,
                training.precision,
                training.threads,
                trial,
            )
        )
        if trial is not None and (not trial.steps_s or found[-1].hours[0] > most_hours):
            break
    return found


def choose(found: list[Candidate], most_hours: float) -> Candidate:
    """The largest that ends in time; without figures the largest on a GPU, else the smallest.

    The smallest, if none ends in time.
    """
    measured = [one for one in found if one.was_measured]
    if not measured:
        on_gpu = found[0].device != "cpu" and not any(one.trial for one in found)
        usual = [one for one in found if one.side <= _LAST]
        return (usual or found)[-1] if on_gpu else found[0]
    in_time = [one for one in measured if one.hours[1] <= most_hours]
    return in_time[-1] if in_time else measured[0]
