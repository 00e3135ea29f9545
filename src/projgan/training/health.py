"""What state a run is in, told from the lines of its history: pure functions, nothing is measured.

A state is entered when every one of its last few lines says so, and left when none of them does, so
that one odd line changes nothing and a run at the edge of a threshold does not flap. Where the
thresholds come from: docs/health.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Row = Mapping[str, Any]
"""A line of the history, as `training.history.read_history` gives it."""

LEARNING, FLAT = "learning", "flat"
OVERWHELMED = "discriminator overwhelms"
COLLAPSE, COPYING, DIVERGED = "collapse", "copying", "diverged"
STATES = (DIVERGED, COLLAPSE, COPYING, OVERWHELMED, FLAT, LEARNING)
"""The worst first: a run in several states at once is in the first of them."""
UNFIT = (DIVERGED, COLLAPSE, COPYING)
"""States in which no snapshot is the best one, whatever its figure."""
FALLEN = (DIVERGED, COLLAPSE)
"""States from which a run does not come back by itself."""

ADVICE = {
    LEARNING: "Let it go on.",
    FLAT: "More images of the same will hardly help: take the best snapshot, or add pictures.",
    OVERWHELMED: "The generator learns little from a discriminator that is always right: halve "
    "optimizer.lr_d, use fewer heads (heads.count), or augment more (augment.adaptive).",
    COLLAPSE: "Its samples have become alike: go back (--on-collapse rollback), lower the learning "
    "rates, or add pictures.",
    COPYING: "It repeats pictures of the set: stop here or earlier, add pictures, set data.mirror, "
    "or augment more. projgan nearest shows which.",
    DIVERGED: "Go back to the best snapshot, and go on with lower learning rates or "
    "training.precision=fp32.",
}


@dataclass(frozen=True)
class Thresholds:
    """Where a signal becomes a symptom. Shares are of what the reals have, where that is said."""

    sure: float = 0.99
    """Mean sign of reals, and of fakes downwards, above which a discriminator is always right."""
    spacing: float = 0.4
    """Median distance from a sample to the one most like it, as a share of the reals'."""
    diversity: float = 0.35
    """Mean distance between samples, as a share of the reals'."""
    settling: int = 100
    """Steps in which the averaged generator still comes away from where it started."""
    growth: float = 1.1
    """Samples that differ so many times as much as at the measurement before are on their way."""
    copies: float = 0.5
    """Share of samples that are nearer to a picture of the set than its pictures are."""
    worse: float = 2.0
    """How many times its best the judge may be."""
    saturation: float = 0.3
    """Share of pixel values at the ends of their range, above the share that reals have."""


@dataclass(frozen=True)
class Diagnosis:
    """The state of a run, and the figures that say so."""

    state: str
    reason: str = ""

    @property
    def advice(self) -> str:
        """A sentence: what to do."""
        return ADVICE[self.state]


def diagnose(
    rows: Sequence[Row], *, judge: str, patience: int = 6, limits: Thresholds | None = None
) -> Diagnosis:
    """The state after the last of `rows`.

    Args:
        rows: all lines of the run. The last one with a `state` says in what state it was.
        judge: the key of the figure that decides, lower is better.
        patience: measurements without an improvement after which a run is flat.
        limits: the thresholds.
    """
    limits = limits or Thresholds()
    before = next((str(row["state"]) for row in reversed(rows) if "state" in row), LEARNING)
    losses = [row for row in rows if "sign_real" in row]
    figures = measured(rows, judge)
    best = best_row(figures, judge)
    checks: tuple[tuple[str, Sequence[Row], int, Callable[[Row], str]], ...] = (
        (DIVERGED, figures, 3, lambda row: _is_worse(row, best, judge, limits)),
        (DIVERGED, figures, 2, lambda row: _is_saturated(row, limits)),
        (COLLAPSE, figures, 2, lambda row: _is_alike(row, _row_before(row, figures), limits)),
        (COPYING, figures, 2, lambda row: _is_copied(row, limits)),
        (OVERWHELMED, losses, 3, lambda row: _is_sure(row, limits)),
    )
    for state, lines, count, reason_of in checks:
        reasons = [reason for row in lines[-count:] if (reason := reason_of(row))]
        needed = 1 if before == state else count
        if len(reasons) >= needed:
            return Diagnosis(state, reasons[-1])
    since = since_improvement(figures, judge)
    if since >= patience:
        return Diagnosis(FLAT, f"{since} measurements without a better {judge}")
    return Diagnosis(LEARNING)


def measured(rows: Sequence[Row], judge: str) -> list[Row]:
    """The lines that hold the judge's figure."""
    return [row for row in rows if judge in row]


def best_row(rows: Sequence[Row], judge: str) -> Row | None:
    """The first of the lines with the lowest figure, among those whose state is fit for use."""
    fit = [row for row in measured(rows, judge) if row.get("state") not in UNFIT]
    return min(fit, key=lambda row: float(row[judge]), default=None)


def since_improvement(rows: Sequence[Row], judge: str) -> int:
    """Measurements since the last one that was better than all before by more than its noise.

    Small steps add up: a figure is compared with the last that counted as an improvement.
    """
    best, since = float("inf"), 0
    for row in measured(rows, judge):
        value = float(row[judge])
        if value < best - (noise(row, judge) if best < float("inf") else 0.0):
            best, since = value, 0
        else:
            since += 1
    return since


def noise(row: Row, judge: str) -> float:
    """By how much a figure may differ from the next without a reason.

    The kernel distance comes with its spread over parts of the sets. A Fréchet distance does not;
    2 % of it are what the same generator differs by with other latents.
    """
    if judge == "kid_lite1" and "kid_spread" in row:
        return float(row["kid_spread"])
    return 0.02 * abs(float(row[judge]))


def _is_worse(row: Row, best: Row | None, judge: str, limits: Thresholds) -> str:
    if best is None:
        return ""
    value, lowest = float(row[judge]), float(best[judge])
    far = lowest + 4 * max(noise(best, judge), noise(row, judge))
    if value <= max(limits.worse * lowest, far) or row["images_seen"] <= best["images_seen"]:
        return ""
    return f"{judge} is {value:.4g}; it was {lowest:.4g} after {best['images_seen']:,} images"


def _is_saturated(row: Row, limits: Thresholds) -> str:
    share, usual = float(row.get("saturation", 0.0)), float(row.get("saturation_reals", 0.0))
    if share <= usual + limits.saturation:
        return ""
    return f"{share:.0%} of all pixel values are at the end of their range; of reals {usual:.0%}"


def _row_before(row: Row, rows: Sequence[Row]) -> Row | None:
    """The measurement before this one; None for the first."""
    place = next(place for place, other in enumerate(rows) if other is row)
    return rows[place - 1] if place else None


def _is_alike(row: Row, before: Row | None, limits: Thresholds) -> str:
    """Why samples are too much alike.

    They are so in every run that begins, for its first hundred steps or so, and then less from line
    to line: what grows is no symptom, and of the first line nobody can say.
    """
    if before is None or row.get("step", limits.settling) < limits.settling:
        return ""
    for key, limit, what in (
        ("spacing", limits.spacing, "a sample and the one most like it"),
        ("diversity", limits.diversity, "two samples"),
    ):
        reals = float(row.get(f"{key}_reals", 0.0))
        if key not in row or key not in before:
            continue
        grows = float(row[key]) > limits.growth * float(before[key])
        if reals > 0 and float(row[key]) < limit * reals and not grows:
            share = float(row[key]) / reals
            return f"{what} differ {share:.0%} as much as pictures of the set do"
    return ""


def _is_copied(row: Row, limits: Thresholds) -> str:
    share = float(row.get("copy_score", 0.0))
    return f"{share:.0%} of the samples are near-copies" if share >= limits.copies else ""


def _is_sure(row: Row, limits: Thresholds) -> str:
    real, fake = float(row["sign_real"]), float(row["sign_fake"])
    if real < limits.sure or fake > -limits.sure:
        return ""
    return f"mean signs {real:+.3f} for reals and {fake:+.3f} for fakes{_by_head(row, limits)}"


def _by_head(row: Row, limits: Thresholds) -> str:
    """Which heads are always right, if not all of them are."""
    pairs = zip(row.get("heads_real", ()), row.get("heads_fake", ()), strict=False)
    sure = [real >= limits.sure and fake <= -limits.sure for real, fake in pairs]
    if not sure or all(sure):
        return ""
    names = ", ".join(str(place) for place, is_sure in enumerate(sure, start=1) if is_sure)
    return f"; always right: head {names} of {len(sure)}" if names else ""
