"""Settings of what is measured while a run learns, and of what follows from it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from projgan.config.checks import require
from projgan.errors import choose_from

Judge = Literal["auto", "kid_lite1", "fd_lite1"]
OnCollapse = Literal["warn", "rollback", "stop"]

FEW_PICTURES = 1_000
"""Below so many pictures the judge is the kernel distance, which few pictures do not bias."""


@dataclass(frozen=True, kw_only=True)
class MetricsConfig:
    """Measurements of the averaged generator, and what they decide."""

    every: int = 0
    """Images between measurements; 0: none."""
    share: float = 0.05
    """Most share of the run's time that measurements may take: one that would take more is left
    out. Has no effect where a measurement decides how training goes on: with
    `metrics.stop_when_flat`, or `health.on_collapse` other than warn."""
    samples: int = 0
    """Pictures generated for a measurement; 0 means as many as the set has, from 16 to 300."""
    judge: Judge = "auto"
    """The figure that decides which snapshot is the best: kid_lite1 or fd_lite1; auto means
    kid_lite1 below 1,000 pictures and fd_lite1 from there on."""
    stop_when_flat: int = 0
    """The run ends after so many measurements without an improvement; 0: never."""

    def __post_init__(self) -> None:
        if self.judge not in ("auto", "kid_lite1", "fd_lite1"):
            raise choose_from("metrics.judge", self.judge, ("auto", "kid_lite1", "fd_lite1"))
        for name in ("every", "stop_when_flat"):
            require(getattr(self, name) >= 0, f"metrics.{name}", "must not be negative")
        require(0.0 < self.share <= 1.0, "metrics.share", "must lie above 0 and be at most 1")
        enough = self.samples == 0 or self.samples >= 16
        require(enough, "metrics.samples", "must be at least 16, or 0")

    def settled(self, num_pictures: int) -> MetricsConfig:
        """The same with judge and number of samples decided by the size of the set."""
        judge: Judge = "kid_lite1" if num_pictures < FEW_PICTURES else "fd_lite1"
        return MetricsConfig(
            every=self.every,
            share=self.share,
            samples=self.samples or min(max(num_pictures, 16), 300),
            judge=judge if self.judge == "auto" else self.judge,
            stop_when_flat=self.stop_when_flat,
        )


@dataclass(frozen=True, kw_only=True)
class HealthConfig:
    """What is done when a run collapses or a number is not finite."""

    on_collapse: OnCollapse = "warn"
    """warn: say so, and go on (not finite: stop); stop: save and stop; rollback: go back to the
    best checkpoint, with other latents and stronger augmentation."""
    rollbacks: int = 3
    """Most rollbacks of a run; after them it stops."""

    def __post_init__(self) -> None:
        if self.on_collapse not in ("warn", "rollback", "stop"):
            known = ("warn", "rollback", "stop")
            raise choose_from("health.on_collapse", self.on_collapse, known)
        require(self.rollbacks >= 1, "health.rollbacks", "must be at least 1")
