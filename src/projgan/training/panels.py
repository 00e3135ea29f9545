"""What the charts of a run show: which figures of the history share a panel, and in what colours.

`history.png` and the report draw the same panels. A panel without figures is left out.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

Row = dict[str, Any]
Points = list[tuple[float, float]]


@dataclass(frozen=True)
class Line:
    """One key of the history."""

    key: str
    name: str
    colour: str
    """A name in `COLOURS`."""
    is_beside: bool = False
    """Drawn dashed on an axis of its own, at the right, which is logarithmic."""


@dataclass(frozen=True)
class Panel:
    """Figures that share their axis."""

    name: str
    label: str
    lines: tuple[Line, ...]
    is_log: bool = False


COLOURS = {
    "red": "#d1495b",
    "teal": "#00798c",
    "lilac": "#9c89b8",
    "green": "#2e933c",
    "plum": "#8d6a9f",
    "gold": "#edae49",
    "blue": "#30638e",
    "grey": "#777777",
}
"""As `history.png` has them; the report has its own shades, for light and for dark."""

PANELS = (
    Panel(
        "loss",
        "loss",
        (
            Line("loss_g", "generator", "red"),
            Line("loss_d", "discriminator", "teal"),
            Line("loss_reconstruction", "reconstruction", "lilac"),
            Line("loss_r1", "R1 penalty", "lilac"),
            Line("augment_p", "p of augmentation", "gold"),
            Line("fd_lite1", "fd-lite1", "grey", is_beside=True),
        ),
    ),
    Panel(
        "logits",
        "mean logit",
        (Line("logits_real", "real", "green"), Line("logits_fake", "fake", "plum")),
    ),
    Panel(
        "signs",
        "mean sign of logits",
        (Line("sign_real", "real", "green"), Line("sign_fake", "fake", "plum")),
    ),
    Panel(
        "gradients",
        "gradient norm",
        (
            Line("grad_norm_g", "generator", "red"),
            Line("grad_norm_d", "discriminator", "teal"),
        ),
        is_log=True,
    ),
    Panel("kid", "kid-lite1", (Line("kid_lite1", "kid-lite1", "blue"),)),
    Panel(
        "manifold",
        "precision, recall",
        (Line("precision", "precision", "teal"), Line("recall", "recall", "red")),
    ),
    Panel(
        "variety",
        "diversity",
        (Line("diversity", "diversity", "green"),),
    ),
    Panel("copies", "copy score", (Line("copy_score", "copy score", "red"),)),
    Panel("speed", "images per second", (Line("images_per_s", "training", "blue"),)),
)
"""In the order in which they are drawn."""

STATE_COLOURS = {
    "learning": "green",
    "discriminator overwhelms": "gold",
    "collapse": "red",
    "copying": "plum",
    "diverged": "red",
    "flat": "grey",
}
"""Of the named states, as a tint behind the lines; a state that is not among them is blue."""


def points_of(rows: Iterable[Row], key: str) -> Points:
    """(images seen, value) of the rows that have a number under `key`."""
    return [
        (row["images_seen"], row[key]) for row in rows if isinstance(row.get(key), (int, float))
    ]


def panels_with_data(rows: Sequence[Row]) -> list[Panel]:
    """The panels, with those of their lines that the rows have figures for."""
    known = {key for row in rows for key in row}
    found = []
    for panel in PANELS:
        lines = tuple(line for line in panel.lines if line.key in known)
        if any(not line.is_beside for line in lines):
            found.append(Panel(panel.name, panel.label, lines, panel.is_log))
    return found


def pictures_of(rows: Sequence[Row]) -> float | None:
    """How many pictures an epoch has, from the last row that says how many epochs it was.

    None if no row says it.
    """
    for row in reversed(rows):
        if row.get("epoch"):
            return float(row["images_seen"] / row["epoch"])
    return None


def spans_of_states(rows: Sequence[Row]) -> list[tuple[float, float, str]]:
    """(from, to, state) in images seen: a state holds until another one is noted."""
    noted = [(row["images_seen"], str(row["state"])) for row in rows if row.get("state")]
    if not noted:
        return []
    spans: list[tuple[float, float, str]] = []
    for start, state in noted:
        if spans and spans[-1][2] == state:
            continue
        if spans:
            spans[-1] = (spans[-1][0], start, spans[-1][2])
        spans.append((start, start, state))
    end = max(row["images_seen"] for row in rows)
    spans[-1] = (spans[-1][0], end, spans[-1][2])
    return spans


def colour_of_state(state: str) -> str:
    """The tint of a named state, a name in `COLOURS`."""
    return STATE_COLOURS.get(state, "blue")
