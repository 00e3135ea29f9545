"""Tells trackers what a run writes: the lines of its history, and its sample grids.

They read from the run folder what was written there, so they see whatever the history has, and
nothing depends on them. A tracker that fails is left out from then on; that never ends a run.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from projgan import storage
from projgan.config.load import to_json
from projgan.config.schema import RunConfig
from projgan.errors import first_line
from projgan.rundir import RunDir
from projgan.training.history import read_history
from projgan.training.loop import Every
from projgan.training.state import TrainingState
from projgan.workflows.page.commands import as_option, without_places
from projgan.workflows.services import SERVICES, Sitting, Tracker, settle_processes

Note = Callable[[str], None]


class Trackers:
    """The open trackers of one sitting.

    Args:
        run: the run folder. Its `trackers.json` says which records go on.
        config: which trackers there are, and what they are told about the run.
        images_seen: where this sitting starts.
        note: told once about each tracker that fails.
    """

    def __init__(self, run: RunDir, config: RunConfig, images_seen: int, note: Note) -> None:
        self._run, self._config, self._note = run, config, note
        self._offset = run.history.stat().st_size if run.history.exists() else 0
        self._grids = {path.name for path in self._grid_files()}
        self._open: dict[str, Tracker] = {}
        ids = _read_ids(run.trackers)
        for name in config.tracking.trackers:
            saved = ids.get(name, "")
            sitting = Sitting(run.root, config.tracking.project, saved, images_seen)
            with self._leaving_out(name):
                settle_processes()
                self._open[name], ids[name] = SERVICES[name].open(sitting)
                if not saved:
                    self._begin(name)
        if self._open:
            with self._leaving_out("the list of trackers"):
                storage.write_text(run.trackers, json.dumps(ids, indent=2) + "\n")

    def callbacks(self) -> list[Every]:
        """After those that write: lines first, then the grid of the same images."""
        if not self._open:
            return []
        training = self._config.training
        return [Every(training.log_every, self.look), Every(training.sample_every, self.show)]

    def look(self, state: TrainingState) -> None:
        """Pass on the lines that came since the last look."""
        del state  # the lines say where they belong
        for row in self._new_rows():
            self._log(row, list(self._open))

    def show(self, state: TrainingState) -> None:
        """Pass on the newest lines, and the sample grids that came since the last time."""
        self.look(state)
        self._show_new_grids()

    def close(self) -> None:
        """Pass on what is left, and finish the records of this sitting."""
        for row in self._new_rows():
            self._log(row, list(self._open))
        self._show_new_grids()
        for name in list(self._open):
            with self._leaving_out(name):
                self._open[name].finish()

    def _begin(self, name: str) -> None:
        """A new record gets the settings, and what the run had before it was recorded."""
        tracker, config = self._open[name], without_places(self._config)
        if name == "tensorboard":  # its tables of settings would be a run of their own each time
            tracker.log({"config": f"```json\n{to_json(config)}```"}, step=0)
        else:
            tracker.store_init_configuration(_flat(config))
        for row in read_history(self._run.history):
            self._log(row, [name])
        for grid in self._grid_files():
            self._show(grid, [name])

    def _new_rows(self) -> list[dict[str, Any]]:
        """Whole lines behind the last look, without events."""
        if not self._open or not self._run.history.exists():
            return []
        with self._run.history.open("rb") as handle:
            handle.seek(self._offset)
            whole = handle.read().rpartition(b"\n")[0]
        self._offset += len(whole) + 1 if whole else 0
        rows = []
        for line in whole.splitlines():
            try:
                rows.append(json.loads(line))
            except ValueError:  # cut short by a crash, and overtaken
                continue
        return [row for row in rows if "event" not in row]

    def _log(self, row: dict[str, Any], names: list[str]) -> None:
        figures = {
            key: value
            for key, value in row.items()
            if key != "images_seen" and isinstance(value, (int, float))
        }
        for name in names:
            if name not in self._open:
                continue  # it failed at another line
            with self._leaving_out(name):
                self._open[name].log(figures, step=row["images_seen"])

    def _grid_files(self) -> list[Path]:
        files = sorted(self._run.samples.glob("*.png")) if self._run.samples.is_dir() else []
        return [path for path in files if path.stem.isdigit()]

    def _show_new_grids(self) -> None:
        if not self._open:
            return
        for grid in self._grid_files():
            if grid.name not in self._grids:
                self._grids.add(grid.name)
                self._show(grid, list(self._open))

    def _show(self, grid: Path, names: list[str]) -> None:
        for name in names:
            if name not in self._open:
                continue
            with self._leaving_out(name):
                SERVICES[name].show(self._open[name], grid, int(grid.stem))

    @contextlib.contextmanager
    def _leaving_out(self, name: str) -> Iterator[None]:
        """Whatever goes wrong in someone else's service, the run goes on without it."""
        try:
            yield
        except Exception as error:
            self._open.pop(name, None)
            self._note(f"{name} records no more and training goes on: {first_line(error)}")


@contextlib.contextmanager
def tracked(run: RunDir, config: RunConfig, state: TrainingState, note: Note) -> Iterator[Trackers]:
    """The trackers of a sitting that starts from `state`, closed at its end however it ends."""
    trackers = Trackers(run, config, state.images_seen, note)
    try:
        yield trackers
    finally:
        trackers.close()


def _read_ids(path: Path) -> dict[str, str]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {str(k): str(v) for k, v in values.items()} if isinstance(values, dict) else {}


def _flat(config: RunConfig) -> dict[str, str | int | float]:
    """`section.field` -> value, of the kinds that trackers take."""
    found: dict[str, str | int | float] = {}
    for section, values in config.to_dict().items():
        if not isinstance(values, dict):
            found[section] = str(values)
            continue
        for name, value in values.items():
            plain = isinstance(value, (int, float))
            found[f"{section}.{name}"] = value if plain else as_option(value)
    return found
