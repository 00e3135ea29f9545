"""The run folders below a folder, each in one line: state, progress, best figure, size.

Nothing is written, and no training is disturbed. A folder that cannot be read is a line too. What
is slow is left to `projgan doctor RUN`: here a checkpoint counts as whole if its files are there in
their sizes; their contents are not read.
"""

from __future__ import annotations

import contextlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projgan import storage
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.errors import CheckpointError, ProjganError, UsageError, first_line
from projgan.rundir import RunDir
from projgan.snapshot import read_figures
from projgan.training.checkpoint import numbered_checkpoints, read_counters
from projgan.training.health import FALLEN, best_row
from projgan.training.history import read_events, read_history

MOST_LEVELS = 4
"""How deep below the folder runs are looked for."""
_UNREADABLE = (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError)
_TURNS = ("health", "rollback", "resume")
"""Events after which a run is in another state than its lines before them say."""
_JUDGES = ("kid_lite1", "fd_lite1")


@dataclass(frozen=True)
class RunLine:
    """One run as it lies on the disk.

    Attributes:
        state: running, finished, stopped, crashed, new, collapse, diverged or damaged.
        about: what there is to say of the state; may be empty.
        images_seen, images: how far it is, and how far it goes (0: not known).
        judge, best: the figure that decides, and its lowest value; empty and None without one.
        num_bytes: of the folder.
        changed: when something in it changed last, in seconds since 1970; 0: not known.
    """

    path: Path
    state: str
    about: str = ""
    images_seen: int = 0
    images: int = 0
    judge: str = ""
    best: float | None = None
    num_bytes: int = 0
    changed: float = 0.0


def list_runs(folder: Path) -> list[RunLine]:
    """A line for the run that `folder` is, or for each run below it, by path.

    Raises: UsageError: there is no such folder.
    """
    return [look_at(path) for path in find_runs(folder)]


def find_runs(folder: Path) -> list[Path]:
    """The run that `folder` is, or the runs below it; links are followed, each folder once.

    Raises: UsageError: there is no such folder.
    """
    if not folder.is_dir():
        raise UsageError(
            "there is no such folder",
            where=str(folder),
            next_command="projgan runs FOLDER_WITH_RUNS",
        )
    found: list[Path] = []
    _search(folder, MOST_LEVELS, set(), found)
    return sorted(found)


def is_run(folder: Path) -> bool:
    """Whether this looks like the folder of a run, be it damaged."""
    run = RunDir(folder)
    return run.history.is_file() or run.checkpoints.is_dir()


def look_at(path: Path) -> RunLine:
    """The line of one run folder; never raises for what is in it."""
    run = RunDir(path)
    size, changed = storage.folder_bytes(path), _changed(run)
    holder = run.holder()
    try:
        line = _read(run, holder)
    except (*_UNREADABLE, ProjganError) as error:
        about = error.what if isinstance(error, ProjganError) else first_line(error)
        line = RunLine(path, "running", holder) if holder else RunLine(path, "damaged", about)
    return RunLine(**{**vars(line), "num_bytes": size, "changed": changed})


def _read(run: RunDir, holder: str | None) -> RunLine:
    """The line without size and time.

    Raises: one of many errors: config or history cannot be read.
    """
    config = from_dict(json.loads(run.config.read_text(encoding="utf-8")))
    rows = read_history(run.history)
    saved, problem = _saved(run)
    logged = int(rows[-1]["images_seen"]) if rows else 0
    seen = max(logged, saved.get("images_seen", 0)) if holder else saved.get("images_seen", logged)
    state, about = _state(run, config, rows, saved, logged=logged)
    if problem:
        state, about = (state if saved else "damaged"), problem
    if holder:
        state, about = "running", holder
    judge, best = _best(run, config, rows)
    return RunLine(run.root, state, about, seen, config.training.images, judge, best)


def _state(
    run: RunDir,
    config: RunConfig,
    rows: list[dict[str, Any]],
    saved: dict[str, Any],
    *,
    logged: int,
) -> tuple[str, str]:
    """State and what there is to say of it, of a run that nobody holds.

    saved: counters of the newest checkpoint; empty without one.
    """
    training, events = config.training, read_events(run.history)
    newest = next((str(row["state"]) for row in reversed(rows) if "state" in row), "")
    turns = [event for event in events if event["event"] in _TURNS]
    last = turns[-1] if turns else {}
    if last.get("event") == "health":
        newest = str(last["state"])
    if newest in FALLEN:
        return newest, str(last.get("reason", ""))
    seen, seconds = saved.get("images_seen", logged), float(saved.get("elapsed_s", 0.0))
    if seen >= training.images or 0 < training.minutes * 60 <= seconds:
        return "finished", ""
    others = [event for event in events if event["event"] != "health"]
    if others and others[-1]["event"] == "flat":
        return "finished", str(others[-1].get("reason", ""))
    if saved and logged > saved["images_seen"]:
        return "crashed", f"its history goes on to {logged:,} images"
    return ("stopped" if saved or rows else "new"), ""


def _saved(run: RunDir) -> tuple[dict[str, Any], str]:
    """Counters of the newest checkpoint that looks whole, and what is wrong with newer ones."""
    problem = ""
    for folder in numbered_checkpoints(run.checkpoints, newest_first=True):
        try:
            storage.verify_folder(folder, contents=False)
            return read_counters(folder), problem
        except (CheckpointError, *_UNREADABLE) as error:
            what = error.what if isinstance(error, CheckpointError) else first_line(error)
            problem = problem or f"{folder.name}: {what}"
    return {}, problem


def _best(run: RunDir, config: RunConfig, rows: list[dict[str, Any]]) -> tuple[str, float | None]:
    """The judge and its best figure: that of the best snapshot, or else of the history."""
    judge = config.metrics.judge
    names = _JUDGES if judge == "auto" else (judge,)
    figures: dict[str, float] = {}
    with contextlib.suppress(CheckpointError):
        figures = read_figures(run.best)
    for name in names:
        row = best_row(rows, name)
        if name in figures:
            return name, figures[name]
        if row is not None:
            return name, float(row[name])
    return "", None


def _changed(run: RunDir) -> float:
    times = [0.0]
    for path in (run.config, run.history, run.checkpoints, run.snapshots, run.samples):
        with contextlib.suppress(OSError):
            times.append(path.stat().st_mtime)
    return max(times)


def _search(folder: Path, levels: int, seen: set[tuple[int, int]], found: list[Path]) -> None:
    with contextlib.suppress(OSError):  # a folder that may not be read has no runs to show
        stat = folder.stat()
        if (stat.st_dev, stat.st_ino) in seen:
            return
        seen.add((stat.st_dev, stat.st_ino))
        if is_run(folder):
            found.append(folder)
            return
        if levels:
            with os.scandir(folder) as entries:
                names = sorted(entry.name for entry in entries if entry.is_dir())
            for name in names:
                _search(folder / name, levels - 1, seen, found)
