"""A figure that was measured several times: its median, and the least and the most."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Spread:
    """The median of some measurements and how far they lie apart; any unit."""

    median: float
    least: float
    most: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Of one measurement or more."""
        assert values, "nothing was measured"
        return cls(statistics.median(values), min(values), max(values), len(values))

    def words(self) -> str:
        """Such as "2.31 (2.25 to 2.40)"; the median alone if there is one measurement."""
        if self.count == 1:
            return f"{self.median:.3g}"
        return f"{self.median:.3g} ({self.least:.3g} to {self.most:.3g})"

    def as_dict(self) -> dict[str, float]:
        """Plain JSON values, four digits each."""
        values = {"median": self.median, "least": self.least, "most": self.most}
        return {name: digits(value) for name, value in values.items()} | {"count": self.count}


def digits(value: float) -> float:
    """The value with four digits: timings hold no more."""
    return float(f"{value:.4g}")
