"""How large a suite runs, from what seed, and its score in pytest's last lines.

`make test` runs a slice of every suite. `make test-faults` sets PROJGAN_FAULTS=full; 0.2 would run
a fifth of that. PROJGAN_FAULTS_SEED chooses other cases.
"""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

_WANTED = os.environ.get("PROJGAN_FAULTS", "")
SHARE = 1.0 if _WANTED == "full" else float(_WANTED or 0)
FULL = SHARE > 0
SEED = int(os.environ.get("PROJGAN_FAULTS_SEED", "20261125"))


def size(full: int, part: int) -> int:
    """How many cases: all, a share of them, or those of a slice."""
    return max(part, round(full * SHARE))


def stream(name: str) -> random.Random:
    """The random stream of a suite."""
    return random.Random(f"{SEED} {name}")


def spread(items: list[Any], count: int) -> list[Any]:
    """`count` of the items, evenly spread over all of them."""
    count = min(count, len(items))
    return [items[index * len(items) // count] for index in range(count)]


class Score:
    """Counts the cases of one suite; a suite with a failed case fails at its end, naming all."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.total = 0
        self.failed: list[str] = []
        self.remarks: list[str] = []

    def case(self, name: str, complaints: list[str]) -> None:
        """Count one case, which passed if there are no complaints."""
        self.total += 1
        if complaints:
            self.failed.append(f"{name}: {'; '.join(complaints)}")

    def remark(self, text: str) -> None:
        """Have something said in the suite's line."""
        self.remarks.append(text)


@pytest.fixture
def score(request: pytest.FixtureRequest, record_property: Any) -> Iterator[Score]:
    """The score of the suite that the test's docstring names in its first line."""
    title = (request.node.function.__doc__ or request.node.name).splitlines()[0].rstrip(".")
    counted = Score(title)
    started = time.monotonic()
    yield counted
    seconds = time.monotonic() - started
    passed = counted.total - len(counted.failed)
    record_property("faults", [title, passed, counted.total, seconds, counted.remarks])
    shown = "\n".join(counted.failed[:20])
    assert not counted.failed, f"seed {SEED}: {len(counted.failed)} cases failed:\n{shown}"
    assert counted.total, "no case was run"


def caught_by(mutant: str, record_property: Callable[[str, object], None], suite: str) -> None:
    """Note that a suite caught a mutant."""
    record_property("mutant", [suite, mutant])


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """The scores, a line for each suite, and the mutants that it caught."""
    reports = [report for group in terminalreporter.stats.values() for report in group]
    found = {
        json.dumps([name, value]): (name, value)
        for report in reports
        for name, value in [*getattr(report, "user_properties", ())]
        if name in ("faults", "mutant")
    }
    scores = [value for name, value in found.values() if name == "faults"]
    mutants = [value for name, value in found.values() if name == "mutant"]
    if scores or mutants:
        terminalreporter.section("fault suites" if FULL else "fault suites (slices)")
    for suite in sorted({value[0] for value in [*scores, *mutants]}):
        own = [value for value in scores if value[0] == suite]
        passed, total = (sum(value[place] for value in own) for place in (1, 2))
        minutes = sum(value[3] for value in own) / 60
        caught = sorted(value[1] for value in mutants if value[0] == suite)
        remarks = sorted({remark for value in own for remark in value[4]})
        line = f"{suite}: {passed} of {total} passed, seed {SEED}, {minutes:.1f} min"
        terminalreporter.write_line("; ".join([line, *remarks]))
        if caught:
            terminalreporter.write_line(f"  mutants caught ({len(caught)}): {', '.join(caught)}")
