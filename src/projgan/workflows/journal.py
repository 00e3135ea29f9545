"""The history of a run as it is written: each line with the state that the run is in by then."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from projgan.training.health import (
    DIVERGED,
    LEARNING,
    Diagnosis,
    best_row,
    diagnose,
    measured,
    since_improvement,
)
from projgan.training.history import append_line, read_history


class Journal:
    """Appends to `history.jsonl`, and knows the lines of the run as it went so far.

    It decides by these lines alone, so that a resumed run, which finds the same lines, decides the
    same.

    Args:
        path: the file; lines that are there already count.
        judge: the key of the figure that decides, lower is better.
        patience: measurements without an improvement after which a run is flat.
        note: told once whenever the run enters a state, with advice.
    """

    def __init__(
        self, path: Path, *, judge: str, patience: int, note: Callable[[str], None]
    ) -> None:
        self._path, self._judge, self._patience, self._note = path, judge, patience, note
        self._rows: list[dict[str, Any]] = []
        self.reread()

    def reread(self) -> None:
        """Take up the lines as they are in the file, after a resume or a rollback."""
        self._rows = read_history(self._path)

    @property
    def state(self) -> str:
        """What the run is in by its last line."""
        return next((str(r["state"]) for r in reversed(self._rows) if "state" in r), LEARNING)

    @property
    def measurements(self) -> list[dict[str, Any]]:
        """The lines with a figure by the judge."""
        return [row for row in self._rows if self._judge in row]

    @property
    def measured_s(self) -> float:
        """Seconds that measurements took, over all sittings."""
        return sum(float(row.get("measure_s", 0.0)) for row in self._rows)

    def write(self, line: dict[str, Any]) -> str:
        """Append a line with the state that it leads to, and say so if that is another one."""
        before = self.state
        found = diagnose([*self._rows, line], judge=self._judge, patience=self._patience)
        row = line | {"state": found.state}
        append_line(self._path, row)
        self._rows.append(row)
        if found.state != before:
            self._enter(found, before, int(line["images_seen"]))
        return found.state

    def diverged(self, images_seen: int, reason: str) -> None:
        """Note that a number is not finite; there is no line to go with it."""
        self._enter(Diagnosis(DIVERGED, reason), self.state, images_seen)

    def event(self, name: str, images_seen: int, details: Mapping[str, Any]) -> None:
        """Append an event."""
        append_line(self._path, {"event": name, "images_seen": images_seen, **details})

    def is_best(self) -> bool:
        """Whether the newest measurement is better than all before it, and fit for use."""
        figures = self.measurements
        return bool(figures) and best_row(figures, self._judge) is figures[-1]

    def since_improvement(self) -> int:
        """Measurements since the last that was better by more than its noise."""
        return since_improvement(measured(self._rows, self._judge), self._judge)

    def _enter(self, found: Diagnosis, before: str, images_seen: int) -> None:
        details = {"state": found.state, "before": before, "reason": found.reason}
        self.event("health", images_seen, details)
        if found.state == LEARNING:
            self._note(f"health: {before} is over after {images_seen:,} images")
        else:
            self._note(
                f"health: {found.state} after {images_seen:,} images: {found.reason}. "
                f"{found.advice}"
            )
