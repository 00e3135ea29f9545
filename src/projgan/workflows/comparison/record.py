"""`compare.json`: a comparison as a machine reads it, and as it is taken up again."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from projgan import __version__, storage
from projgan.errors import CheckpointError
from projgan.evaluation.curves import Curve, Point
from projgan.training.history import read_history
from projgan.workflows.comparison.outcomes import Comparison, EqualDistance, Outcome

NAME = "compare.json"
FORMAT, SCHEMA_VERSION = "projgan comparison", 1


def read_curve(history: Path) -> Curve | None:
    """The measurements in a run's history; None if there are none."""
    points = {
        row["images_seen"]: Point(row["images_seen"], row["elapsed_s"], row["fd_lite1"])
        for row in read_history(history)
        if "fd_lite1" in row
    }
    return Curve(tuple(points[images] for images in sorted(points))) if points else None


def write_record(comparison: Comparison) -> None:
    """Write `compare.json`, whole or not at all."""
    measure = comparison.measure
    values = {
        "format": FORMAT,
        "schema_version": SCHEMA_VERSION,
        "projgan": __version__,
        "is_finished": comparison.is_finished,
        "terms": comparison.terms,
        "measure": None if measure is None else vars(measure),
        "contenders": [_outcome_as_dict(outcome) for outcome in comparison.outcomes],
        "equal_distance": [_equal_as_dict(equal) for equal in comparison.equal_distances()],
    }
    storage.write_text(comparison.json, json.dumps(values, indent=1) + "\n")


def read_record(path: Path) -> dict[str, Any]:
    """What `write_record` wrote.

    Raises: CheckpointError: it is damaged, or of another version of projgan.
    """
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
        is_known = (values["format"], values["schema_version"]) == (FORMAT, SCHEMA_VERSION)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError(
            "this record of a comparison cannot be read",
            where=str(path),
            safe="its runs are as they were",
            next_command="choose another --out",
        ) from error
    if not is_known:
        raise CheckpointError(
            f"this comparison has schema version {values['schema_version']}; "
            f"this projgan reads {SCHEMA_VERSION}",
            where=str(path),
        )
    return dict(values)


def _outcome_as_dict(outcome: Outcome) -> dict[str, Any]:
    mean = outcome.mean
    return {
        "name": outcome.name,
        "preset": outcome.preset,
        "settings": outcome.settings,
        "images_per_s": round(outcome.images_per_s, 3),
        "stalls": outcome.stalls,
        "mean": None if mean is None else _curve_as_dict(mean),
        "runs": [
            {
                "seed": run.seed,
                "run": f"runs/{run.folder.name}",
                "images_seen": run.images_seen,
                "elapsed_s": round(run.elapsed_s, 2),
                "is_finished": run.is_finished,
                "diverged": run.diverged,
                **({} if run.curve is None else _curve_as_dict(run.curve)),
            }
            for run in outcome.runs
        ],
    }


def _curve_as_dict(curve: Curve) -> dict[str, Any]:
    return {
        "curve": [_point_as_dict(point) for point in curve.points],
        "best": _point_as_dict(curve.best),
        "final": _point_as_dict(curve.final),
    }


def _point_as_dict(point: Point | None) -> dict[str, float] | None:
    if point is None:
        return None
    return {
        "images_seen": round(point.images_seen, 1),
        "elapsed_s": round(point.elapsed_s, 2),
        "distance": round(point.distance, 3),
    }


def _equal_as_dict(equal: EqualDistance) -> dict[str, Any]:
    return {
        "final_of": equal.of,
        "distance": round(equal.distance, 3),
        "reached_by": {
            name: {
                "mean": _point_as_dict(reached.point),
                "runs": [_point_as_dict(point) for point in reached.points],
                "images_ratio": _rounded(equal.images_ratio(name)),
                "time_ratio": _rounded(equal.time_ratio(name)),
            }
            for name, reached in equal.reached.items()
        },
    }


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 3)
