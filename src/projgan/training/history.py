"""`history.jsonl`: one line per interval, appended and never rewritten.

A run that was killed has lines beyond its last checkpoint. They stay in the file; `resume` appends
an event that says from where it went on, and `read_history` drops the lines that the event
overtook. A rollback does the same.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from projgan.training.ranks import Ranks

NAMES = (
    "loss_g",
    "loss_d",
    "logits_real",
    "logits_fake",
    "sign_real",
    "sign_fake",
)


class Averages:
    """Means of losses and logits over an interval, added up on the device without waiting for it.

    `sign_real` and `sign_fake` are mean signs of logits: +1 for reals and -1 for fakes is a
    discriminator that is always right, 0 is one that cannot tell. Extras are what some steps have
    beside: further losses, norms of gradients, and lists such as the mean signs of each head.
    """

    def __init__(self) -> None:
        self._sums: Tensor | None = None
        self.count = 0
        self._extras: dict[str, tuple[Tensor, int]] = {}

    def add(
        self,
        loss_g: Tensor,
        loss_d: Tensor,
        real_logits: Tensor,
        fake_logits: Tensor,
        *,
        extras: Mapping[str, Tensor] | None = None,
    ) -> None:
        """Count one micro-batch; losses and extras are scalars, logits (b, M)."""
        row = torch.stack(
            [
                loss_g,
                loss_d,
                real_logits.mean(),
                fake_logits.mean(),
                real_logits.sign().mean(),
                fake_logits.sign().mean(),
            ]
        ).to(torch.float32)
        self._sums = row if self._sums is None else self._sums + row
        self.count += 1
        for name, value in (extras or {}).items():
            self.note(name, value)

    def note(self, name: str, value: Tensor) -> None:
        """Count one value of an extra: a scalar, or a vector whose length stays the same."""
        value = value.detach().to(torch.float32)
        total, count = self._extras.get(name, (torch.zeros_like(value), 0))
        self._extras[name] = (total + value, count + 1)

    def means(self) -> dict[str, Any]:
        """Name -> mean since the last `clear`, of vectors a list; empty if no loss was added."""
        if self._sums is None:
            return {}
        extras = {name: (total / count).tolist() for name, (total, count) in self._extras.items()}
        return dict(zip(NAMES, (self._sums / self.count).tolist(), strict=True)) | extras

    def gather(self, ranks: Ranks) -> None:
        """Put what all ranks have seen into the main one's averages, and clear the others'."""
        if ranks.count == 1:
            return
        # The main one, which may come from a checkpoint, has all the names that the others have.
        shapes = {name: tuple(total.shape) for name, (total, _) in self._extras.items()}
        shapes = ranks.tell(None if self._sums is None else shapes)
        if shapes is None:
            return
        device = self._sums.device if self._sums is not None else ranks.device
        sums = torch.zeros(len(NAMES), device=device) if self._sums is None else self._sums
        extras = {
            name: self._extras.get(name, (torch.zeros(shape, device=device), 0))
            for name, shape in shapes.items()
        }
        counts = [self.count, *(count for _, count in extras.values())]
        counted = torch.tensor(counts, dtype=torch.float32, device=device)
        ranks.add_up([sums, *(total for total, _ in extras.values()), counted])
        self.clear()
        if ranks.is_main:
            self._sums, (self.count, *each) = sums, map(int, counted.tolist())
            totals = (total for total, _ in extras.values())
            self._extras = dict(zip(extras, zip(totals, each, strict=True), strict=True))

    def clear(self) -> None:
        """Begin a new interval."""
        self._sums, self.count, self._extras = None, 0, {}

    def state_dict(self) -> dict[str, Any]:
        """Sums and counts, for a checkpoint in the middle of an interval."""
        return {
            "sums": None if self._sums is None else self._sums.tolist(),
            "count": self.count,
            "extras": {name: [total.tolist(), n] for name, (total, n) in self._extras.items()},
        }

    def load_state_dict(self, values: dict[str, Any], device: torch.device) -> None:
        """Take up where `state_dict` was."""
        sums = values["sums"]
        self._sums = (
            None if sums is None else torch.tensor(sums, dtype=torch.float32, device=device)
        )
        self.count = int(values["count"])
        self._extras = {
            name: (torch.tensor(total, dtype=torch.float32, device=device), int(count))
            for name, (total, count) in values.get("extras", {}).items()
        }


def append_line(path: Path, values: dict[str, Any]) -> None:
    """Append one JSON line; values that are no finite numbers must not get here."""
    with path.open("a", encoding="utf-8") as handle:
        handle.write(json.dumps(values, allow_nan=False) + "\n")


def read_events(path: Path) -> list[dict[str, Any]]:
    """The lines with a field `event`, in their order; what cannot be read is left out."""
    events = []
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return []
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if isinstance(row, dict) and "event" in row:
            events.append(row)
    return events


def read_history(path: Path) -> list[dict[str, Any]]:
    """The lines of the run as it went in the end.

    Left out are events and what a resume, a rollback or a second start in smaller parts overtook.
    A last line that a crash cut short is left out.
    """
    rows: list[dict[str, Any]] = []
    if not path.is_file():
        return rows
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue
        if row.get("event") in ("resume", "rollback", "micro-batch"):
            rows = [old for old in rows if old["images_seen"] <= row["images_seen"]]
        elif "event" not in row:
            rows.append(row)
    return rows
