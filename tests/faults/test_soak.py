"""G14: hundreds of saves leave no descriptor open, no memory held and no file too many."""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from faults.score import Score, caught_by, size
from faults.small_state import save
from projgan.training import checkpoint
from projgan.training.checkpoint import find_latest

pytestmark = pytest.mark.faults
KEEP = 2


def _descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


def _resident_mb() -> float:
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE") / 1e6


def _cycles(root: Path, count: int, between: Callable[[], None] = lambda: None) -> list[str]:
    """Save, prune and look for the newest again and again; complaints about what grew."""
    root.mkdir()
    warm = count // 5
    for step in range(1, count + 1):
        save(root, step)
        save(root, step, as_best=True)
        checkpoint.prune(root, KEEP)
        between()
        latest, _ = find_latest(root)
        if latest is None or latest.counters["step"] != step:
            return [f"after save {step} the newest is {latest and latest.folder.name}"]
        if step == warm:
            gc.collect()
            descriptors, memory = _descriptors(), _resident_mb()
    gc.collect()
    complaints = []
    if (now := _descriptors()) > descriptors:
        complaints.append(f"{now - descriptors} more descriptors are open")
    if (grown := _resident_mb() / memory - 1) > 0.05:
        complaints.append(f"memory grew by {grown:.0%}")
    names = sorted(path.name for path in root.iterdir())
    if len(names) != KEEP + 1:
        complaints.append(f"on the disk are {names[:9]}")
    return complaints


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="skipped: there is no /proc")
def test_many_saves(tmp_path: Path, score: Score) -> None:
    """G14 soak."""
    count = size(300, 40)
    score.case(f"{count} cycles", _cycles(tmp_path / "checkpoints", count))
    score.remark(f"{count} cycles")


_KEPT: list[int] = []


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="skipped: there is no /proc")
@pytest.mark.parametrize("mutant", ["a descriptor stays open", "nothing is pruned"])
def test_mutants_are_caught(
    tmp_path: Path,
    mutant: str,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    between = lambda: None  # noqa: E731
    if mutant == "nothing is pruned":
        monkeypatch.setattr(checkpoint, "prune", lambda root, keep: None)
    else:
        between = lambda: _KEPT.append(os.open(tmp_path, os.O_RDONLY))  # noqa: E731
    try:
        assert _cycles(tmp_path / "checkpoints", 10, between)
    finally:
        while _KEPT:
            os.close(_KEPT.pop())
    caught_by(mutant, record_property, "G14 soak")
