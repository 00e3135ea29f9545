"""What a run folder has to tell, read from it without changing anything."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.errors import UsageError
from projgan.rundir import RunDir
from projgan.training.history import read_events, read_history
from projgan.training.panels import Row, pictures_of

MAX_GRIDS = 24
"""Sample grids in a page; of more, evenly spaced ones, with the first and the last."""


@dataclass(frozen=True)
class Story:
    """A run as far as it went."""

    name: str
    run: RunDir
    config: RunConfig
    rows: list[Row]
    events: list[Row]
    grids: list[tuple[int, Path]]
    """(images seen, file), in order; those that the page shows."""
    num_grids: int
    """How many there are in the run folder."""
    nearest: dict[str, Any]
    """What `projgan nearest` wrote; empty if it did not."""
    trained_with: str
    """Version of torch that wrote the newest checkpoint, or empty."""

    @property
    def images_seen(self) -> int:
        """As far as anything in the folder tells."""
        noted = [int(row["images_seen"]) for row in self.rows]
        return max([*noted, *(images for images, _ in self.grids)], default=0)

    @property
    def num_pictures(self) -> int | None:
        """Pictures of the set, as the epochs of the history say."""
        pictures = pictures_of(self.rows)
        return None if pictures is None else round(pictures)

    def last(self, key: str) -> Any:
        """The newest value of a key of the history, or None."""
        return next((row[key] for row in reversed(self.rows) if key in row), None)


def read_story(root: Path) -> Story:
    """Read a run folder.

    Raises: UsageError: it is none, or its config is not one of ours.
    """
    run = RunDir(root)
    run.require()
    grids = _grids(run.samples)
    return Story(
        name=run.root.resolve().name,
        run=run,
        config=_config(run),
        rows=[plain for row in read_history(run.history) if (plain := _plain(row))],
        events=_events(run.history),
        grids=evenly(grids, MAX_GRIDS),
        num_grids=len(grids),
        nearest=_json(run.nearest.with_suffix(".json")),
        trained_with=_trained_with(run.checkpoints),
    )


def evenly(items: list[Any], most: int) -> list[Any]:
    """At most `most` of the items, evenly spaced, with the first and the last."""
    if len(items) <= most:
        return items
    return [items[round(index * (len(items) - 1) / (most - 1))] for index in range(most)]


def _config(run: RunDir) -> RunConfig:
    try:
        return from_dict(json.loads(run.config.read_text(encoding="utf-8")))
    except (OSError, UnicodeError, json.JSONDecodeError) as error:
        raise UsageError(f"its config cannot be read: {error}", where=str(run.config)) from error


def _grids(folder: Path) -> list[tuple[int, Path]]:
    files = sorted(folder.glob("*.png")) if folder.is_dir() else []
    return [(int(path.stem), path) for path in files if re.fullmatch(r"\d{9}", path.stem)]


def _plain(row: Row) -> Row:
    """What a line has of finite numbers, and its state; empty if it does not say where it is."""
    kept = {key: value for key, value in row.items() if key == "state" or _is_number(value)}
    return kept if "images_seen" in kept else {}


def _is_number(value: object) -> bool:
    is_one = isinstance(value, (int, float)) and not isinstance(value, bool)
    return is_one and math.isfinite(value)  # type: ignore[arg-type]


def _events(history: Path) -> list[Row]:
    """Lines with a field `event`, in order."""
    return [
        row if _is_number(row.get("images_seen")) else row | {"images_seen": 0}
        for row in read_events(history)
    ]


def _json(path: Path) -> dict[str, Any]:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return values if isinstance(values, dict) else {}


def _trained_with(checkpoints: Path) -> str:
    folders = sorted(checkpoints.glob("step-*")) if checkpoints.is_dir() else []
    return str(_json(folders[-1] / "state.json").get("torch", "")) if folders else ""
