"""`history.png`: losses, logits, what was measured, and speed, over images seen and epochs."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

from projgan.training.figure import new_figure, save_figure
from projgan.training.panels import (
    COLOURS,
    Line,
    Panel,
    Points,
    Row,
    colour_of_state,
    panels_with_data,
    pictures_of,
    points_of,
    spans_of_states,
)

_TWO_COLUMNS_UP_TO = 4
"""Panels in two columns; more of them take three."""
_MARKED_BELOW = 3
"""Lines of fewer points get marks: one point alone would not be seen."""


def draw_chart(rows: list[Row], path: Path, *, title: str, loss: str = "hinge") -> None:
    """Draw the history of a run; without rows nothing is written.

    Args:
        rows: lines as `read_history` gives them. What no row has is left out; an `fd_lite1` is
            drawn dashed over the losses, and a `state` tints the ground from there on.
        path: the PNG to write; replaced as a whole.
        title: the line above.
        loss: the kind of adversarial loss, in words.
    """
    panels = panels_with_data(rows)
    if not panels:
        return
    columns = 2 if len(panels) <= _TWO_COLUMNS_UP_TO else 3
    height = math.ceil(len(panels) / columns)
    figure = new_figure(5.5 * columns, 0.6 + 3.4 * height, title=title)
    grid = figure.subplots(height, columns, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    epoch = pictures_of(rows)
    for axes, panel in zip(grid.flat, panels, strict=False):
        _draw_panel(axes, panel, rows)
        label = f"loss ({loss})" if panel.name == "loss" else panel.label
        axes.set(xlabel="images seen", ylabel=label)
        if epoch:
            _add_epochs(axes, epoch)
    _name_states(figure, rows)
    save_figure(figure, path)


def _draw_panel(axes: Any, panel: Panel, rows: list[Row]) -> None:
    """Lines, states behind them, and the distance on an axis of its own."""
    for start, end, state in spans_of_states(rows):
        axes.axvspan(start, end, color=COLOURS[colour_of_state(state)], alpha=0.12, linewidth=0)
    handles, front = [], axes
    for line in panel.lines:
        if line.is_beside:
            front = _axis_beside(axes, line, points_of(rows, line.key))
        handles += _draw_line(front if line.is_beside else axes, line, rows)
    if panel.is_log and all(v > 0 for one in panel.lines for _, v in points_of(rows, one.key)):
        axes.set_yscale("log")
    axes.grid(alpha=0.25)
    axes.set_xlim(0, max(row["images_seen"] for row in rows) or None)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    if len(handles) > 1:
        names = [handle.get_label() for handle in handles]
        front.legend(handles, names, loc="best", fontsize=9, framealpha=0.75, edgecolor="none")


def _draw_line(axes: Any, line: Line, rows: list[Row]) -> list[Any]:
    points = points_of(rows, line.key)
    if not points:
        return []
    drawn: list[Any] = axes.plot(
        *zip(*points, strict=True),
        "--" if line.is_beside else "-",
        label=line.name,
        color=COLOURS[line.colour],
        linewidth=1.6,
        marker="o" if len(points) < _MARKED_BELOW else None,
    )
    return drawn


def _axis_beside(axes: Any, line: Line, points: Points) -> Any:
    """An axis at the right; logarithmic with plain numbers, where all values are above 0."""
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - slow to import

    beside = axes.twinx()
    beside.set_ylabel(f"{line.name} (lower is better)")
    if all(value > 0 for _, value in points):
        beside.set_yscale("log")
        beside.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
        beside.yaxis.set_major_formatter("{x:g}")
        beside.yaxis.set_minor_formatter(NullFormatter())
    return beside


def _add_epochs(axes: Any, pictures: float) -> None:
    """A second axis above: how often each picture was seen."""
    above = axes.secondary_xaxis(
        "top", functions=(lambda images: images / pictures, lambda epochs: epochs * pictures)
    )
    above.set_xlabel("epochs", fontsize=9)
    above.tick_params(labelsize=8)


def _name_states(figure: Any, rows: list[Row]) -> None:
    """A legend below for the tints."""
    states = list(dict.fromkeys(state for _, _, state in spans_of_states(rows)))
    if not states:
        return
    from matplotlib.patches import Patch  # noqa: PLC0415 - slow to import

    patches = [
        Patch(color=COLOURS[colour_of_state(state)], alpha=0.3, label=state) for state in states
    ]
    figure.legend(handles=patches, loc="outside lower center", ncols=len(states), frameon=False)
