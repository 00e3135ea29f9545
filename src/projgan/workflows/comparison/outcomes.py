"""How a comparison went: its runs, their curves, and who came how close how soon."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from projgan.evaluation.curves import Curve, Point, mean_curve

_STALL = 3.0
"""How many times its usual time an interval takes that is remarked on."""


@dataclass(frozen=True)
class Measure:
    """What the distances of a comparison are, and between how many pictures."""

    name: str
    description: str
    num_reals: int
    num_samples: int
    floor: float | None
    """The distance between two halves of the reals; None if there are too few."""

    @property
    def title(self) -> str:
        """Name and counts, as they stand beside every figure."""
        return f"{self.name} of {self.num_samples:,} samples and {self.num_reals:,} reals"


@dataclass(frozen=True)
class RunOutcome:
    """How one run went, or goes."""

    seed: int
    folder: Path
    images_seen: int
    elapsed_s: float
    is_finished: bool
    diverged: str
    """Why it cannot go on, or empty."""
    curve: Curve | None
    """None before the first measurement."""


@dataclass(frozen=True)
class Outcome:
    """How one contender did."""

    name: str
    preset: str
    settings: dict[str, Any]
    """`section.field` -> value of what not all contenders have alike."""
    runs: tuple[RunOutcome, ...]

    @property
    def curves(self) -> list[Curve]:
        """Those of the runs that were measured."""
        return [run.curve for run in self.runs if run.curve is not None]

    @property
    def mean(self) -> Curve | None:
        """The mean over seeds; None before the first measurement."""
        return mean_curve(self.curves) if self.curves else None

    @property
    def stalls(self) -> list[str]:
        """Sentences about times in which the machine must have had other work.

        Where there are any, the seconds of this contender are not to be trusted.
        """
        return _stalls(self)

    @property
    def images_per_s(self) -> float:
        """Over all runs, with nothing but the steps counted; 0 before the first step."""
        seconds = sum(run.elapsed_s for run in self.runs)
        return sum(run.images_seen for run in self.runs) / seconds if seconds else 0.0


def _stalls(outcome: Outcome) -> list[str]:
    paces = [
        (pace, run.seed, start)
        for run in outcome.runs
        if run.curve is not None
        for pace, start in run.curve.paces()
    ]
    if not paces:
        return []
    usual = median(pace for pace, _, _ in paces)
    return [
        f"seed {seed} was {pace / usual:.0f} times slower than usual after {start:,.0f} images"
        for pace, seed, start in paces
        if pace > _STALL * usual
    ]


@dataclass(frozen=True)
class Reached:
    """How much training a contender needs to come to a distance; None if it never does."""

    distance: float
    mean: Curve
    """Over its seeds."""
    runs: tuple[Curve, ...]

    @property
    def point(self) -> Point | None:
        """Where its mean first is so close."""
        return self.mean.reach(self.distance)

    @property
    def points(self) -> list[Point | None]:
        """Where each of its runs is."""
        return [curve.reach(self.distance) for curve in self.runs]


@dataclass(frozen=True)
class EqualDistance:
    """All contenders on the way to the distance at which one of them ended."""

    of: str
    distance: float
    reached: dict[str, Reached]

    def images_ratio(self, name: str) -> float | None:
        """How many times fewer images than the one whose distance it is; None if unknown."""
        return self.ratio(name, "images_seen")

    def time_ratio(self, name: str) -> float | None:
        """How many times less time; None if unknown."""
        return self.ratio(name, "elapsed_s")

    def ratio(self, name: str, what: str) -> float | None:
        """The same for `what` of a point: "images_seen" or "elapsed_s".

        None if one never comes so close, or `name` was so close before its first step.
        """
        mine, theirs = self.reached[name].point, self.reached[self.of].point
        if mine is None or theirs is None or getattr(mine, what) <= 0:
            return None
        return float(getattr(theirs, what) / getattr(mine, what))


@dataclass(frozen=True)
class Comparison:
    """A comparison, finished or on its way, and the files that show it."""

    root: Path
    terms: dict[str, Any]
    """What was asked for: data, budget, seeds, contenders with their settled configs."""
    measure: Measure | None
    """None before the first turn."""
    outcomes: tuple[Outcome, ...]

    @property
    def is_finished(self) -> bool:
        """Whether every run is at its end."""
        return all(run.is_finished for outcome in self.outcomes for run in outcome.runs)

    @property
    def json(self) -> Path:
        """Everything, for a machine."""
        return self.root / "compare.json"

    @property
    def chart(self) -> Path:
        """The distance over images and over time."""
        return self.root / "compare.png"

    @property
    def samples(self) -> Path:
        """The contenders' pictures side by side."""
        return self.root / "samples.png"

    @property
    def table(self) -> Path:
        """The figures, as Markdown."""
        return self.root / "compare.md"

    @property
    def measured(self) -> list[Outcome]:
        """The contenders with at least one measurement."""
        return [outcome for outcome in self.outcomes if outcome.curves]

    def equal_distances(self) -> list[EqualDistance]:
        """One for each contender's final distance, the largest first."""
        means = {outcome.name: mean for outcome in self.measured if (mean := outcome.mean)}
        worst_first = sorted(means, key=lambda name: -means[name].final.distance)
        return [
            EqualDistance(
                name,
                means[name].final.distance,
                {
                    other.name: Reached(
                        means[name].final.distance, means[other.name], tuple(other.curves)
                    )
                    for other in self.measured
                },
            )
            for name in worst_first
        ]
