"""What became of each file of a picture source: used, rejected, doubled, or passed over."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from projgan.errors import printable

# Facts about single pictures, counted in a report.
UPSCALED = "enlarged"
GREY = "grey"
TRANSPARENT = "transparent"
PALETTE = "with a palette"
DEEP = "with 16 bits a channel"
CMYK = "CMYK"
ROTATED = "turned by EXIF"
PROFILED = "with a colour profile"
FIRST_FRAME = "first frame of several"


class Unusable(Exception):
    """A picture that cannot be used; the text is the reason, without its name."""


@dataclass(frozen=True, kw_only=True)
class Report:
    """Counts and names from one pass over a source; names are relative to it."""

    found: int
    """Files with the extension of a picture."""
    used: int
    """Pictures in the set."""
    rejected: Mapping[str, str] = field(default_factory=dict)
    """Name -> reason. These count as bad."""
    duplicates: Sequence[Sequence[str]] = ()
    """Groups of files with equal bytes, in order of names; the first of each is always used."""
    dropped: int = 0
    """Duplicates left out."""
    facts: Mapping[str, int] = field(default_factory=dict)
    """How many pictures are grey, enlarged, CMYK and so on: the constants of this module."""
    doubtful: Mapping[str, str] = field(default_factory=dict)
    """Name -> why the colours of a used picture may be off."""
    skipped: Mapping[str, int] = field(default_factory=dict)
    """Kind of file passed over (links that lead outside, pipes ...) -> how many; not bad."""

    @property
    def bad_share(self) -> float:
        """Rejected pictures as a share (0 to 1) of those found."""
        return len(self.rejected) / self.found if self.found else 0.0

    @property
    def upscaled(self) -> int:
        """Pictures that were smaller than the resolution."""
        return self.facts.get(UPSCALED, 0)

    def sentences(self, mode: str = "rgb") -> list[str]:
        """The report for a reader: a few printable lines, the most important first.

        Args:
            mode: of the set; one with transparency says so if no picture has any.
        """
        lines = [f"{self.used} of {self.found} pictures used"]
        if mode == "rgba" and self.used and not self.facts.get(TRANSPARENT):
            lines.append("no picture has transparency: all will be opaque (--mode rgb costs less)")
        if self.rejected:
            lines.append(f"{len(self.rejected)} rejected: {_some_with_reasons(self.rejected)}")
        if self.duplicates:
            extra = sum(len(group) - 1 for group in self.duplicates)
            fate = "left out" if self.dropped else "used all the same; --dedupe leaves them out"
            groups = _some([" = ".join(map(printable, group[:3])) for group in self.duplicates])
            lines.append(f"{extra} exact duplicates ({fate}): {groups}")
        if self.doubtful:
            lines.append(
                f"{len(self.doubtful)} with doubtful colours: {_some_with_reasons(self.doubtful)}"
            )
        if self.facts:
            lines.append("among those used: " + _counts(self.facts))
        if self.skipped:
            lines.append("passed over: " + _counts(self.skipped))
        return lines

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values; `from_dict` is the way back."""
        return dataclasses.asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Report:
        """The report that `as_dict` came from. Raises: TypeError, ValueError: if it is none."""
        report = cls(**values)
        counts = [
            report.found,
            report.used,
            report.dropped,
            *report.facts.values(),
            *report.skipped.values(),
        ]
        texts = [*report.facts, *report.skipped]
        for reasons in (report.rejected, report.doubtful):
            texts += [*reasons, *reasons.values()]
        texts += [name for group in report.duplicates for name in group]
        if not (all(type(c) is int for c in counts) and all(isinstance(t, str) for t in texts)):
            raise ValueError("the report has fields of a wrong type")
        return report


def _counts(numbers: Mapping[str, int]) -> str:
    return ", ".join(f"{number} {what}" for what, number in sorted(numbers.items()))


def _some(texts: Sequence[str], shown: int = 3) -> str:
    more = f"; and {len(texts) - shown} more" if len(texts) > shown else ""
    return "; ".join(texts[:shown]) + more


def _some_with_reasons(reasons: Mapping[str, str]) -> str:
    return _some([f"{printable(name)} ({printable(reason)})" for name, reason in reasons.items()])
