"""On what terms a comparison began: written down, and compared when it is taken up again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projgan.data.dataset import PreparedSet
from projgan.errors import DataError, UsageError
from projgan.rundir import first_free
from projgan.workflows.comparison.contenders import ENDLESS, Entry
from projgan.workflows.comparison.record import NAME, read_record

_SHOWN = 4
"""Terms that a message names when they changed."""


def take_place(root: Path, overwrite: bool) -> dict[str, Any] | None:
    """The record of the comparison that is in `root` already, if there is one."""
    if not root.exists() or not any(path.name != ".lock" for path in root.iterdir()):
        return None
    if overwrite:
        root.rename(first_free(root))
        return None
    if not (root / NAME).is_file():
        raise UsageError(
            "this folder exists already and holds no comparison",
            where=str(root),
            safe="nothing was changed",
            next_command="choose another --out, or add --overwrite to move it aside",
        )
    return read_record(root / NAME)


def make_terms(
    entries: Sequence[Entry], pictures: PreparedSet, seeds: Sequence[int], samples: int
) -> dict[str, Any]:
    """What has to be the same when a comparison is taken up again, as JSON has it."""
    training = entries[0].config.training
    terms = {
        "data": entries[0].config.data.path,
        "fingerprint": pictures.fingerprint,
        "images": training.images if training.images < ENDLESS else None,
        "minutes": training.minutes or None,
        "seeds": list(seeds),
        "every": training.sample_every,
        "samples": samples,
        "contenders": {
            entry.contender.name: {
                "preset": entry.preset,
                "options": dict(entry.contender.options),
                "config": entry.config.to_dict(),
            }
            for entry in entries
        },
    }
    return dict(json.loads(json.dumps(terms)))


def refuse_changes(old: dict[str, Any] | None, terms: dict[str, Any], root: Path) -> None:
    """Raise unless the terms of the record `old`, if there is one, are `terms`.

    Raises: DataError: other pictures. UsageError: anything else; the message names it.
    """
    if old is None:
        return
    before, after = _flatten(old["terms"]), _flatten(terms)
    if before.get("fingerprint") != after["fingerprint"]:
        raise DataError(
            "the pictures are not those that this comparison began with",
            where=terms["data"],
            safe="nothing was changed",
            next_command="restore them, or choose another --out",
        )
    keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
    if keys:
        shown = "; ".join(
            f"{key} {before.get(key)!r} -> {after.get(key)!r}" for key in keys[:_SHOWN]
        )
        more = f" and {len(keys) - _SHOWN} more" if len(keys) > _SHOWN else ""
        raise UsageError(
            f"this comparison began on other terms: {shown}{more}",
            where=str(root),
            safe="nothing was changed",
            next_command="undo it, choose another --out, or add --overwrite to move it aside",
        )


def _flatten(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        name = f"{prefix}{key}"
        flat |= _flatten(value, f"{name}.") if isinstance(value, dict) and value else {name: value}
    return flat


def known_divergence(old: dict[str, Any] | None) -> dict[str, str]:
    """Folder of a run -> why it cannot go on, of those for which that is known."""
    contenders = old["contenders"] if old else []
    return {run["run"]: run["diverged"] for one in contenders for run in one["runs"]}
