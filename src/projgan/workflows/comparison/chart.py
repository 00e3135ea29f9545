"""`compare.png`: the distance over images seen and over minutes, a colour for each contender."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from projgan.evaluation.curves import Curve, Point
from projgan.training.figure import new_figure, save_figure
from projgan.workflows.comparison.outcomes import Comparison, Outcome
from projgan.workflows.comparison.report import context, times_fewer, times_less

COLOURS = ("#00798c", "#d1495b", "#edae49", "#2e933c", "#8d6a9f", "#30638e", "#7d4f50", "#444444")
_LOG_FROM = 3.0
"""Ratio of the largest to the smallest distance from which the axis is logarithmic."""

Position = Callable[[Point], float]


def draw_comparison(comparison: Comparison) -> None:
    """Draw `compare.png` from at least one measurement; it is replaced as a whole."""
    measure = comparison.measure
    assert measure is not None and comparison.measured, "nothing was measured"
    figure = new_figure(12, 6, title=context(comparison))
    by_images, by_minutes = figure.subplots(1, 2, sharey=True)
    _scale(by_images, comparison)
    _draw_panel(by_images, comparison, lambda point: point.images_seen, "images_seen")
    by_images.set(xlabel="images seen", ylabel=f"{measure.title}\n(lower is better)")
    by_images.xaxis.set_major_formatter("{x:,.0f}")
    _draw_panel(by_minutes, comparison, lambda point: point.elapsed_s / 60, "elapsed_s")
    by_minutes.set(xlabel="minutes of training")
    handles, labels = by_images.get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=5, frameon=False)
    save_figure(figure, comparison.chart)


def _draw_panel(axes: Any, comparison: Comparison, position: Position, what: str) -> None:
    for number, outcome in enumerate(comparison.outcomes):
        _draw_outcome(axes, outcome, COLOURS[number % len(COLOURS)], position)
    floor = comparison.measure.floor if comparison.measure else None
    if floor is not None:
        label = "one half of the reals to the other"
        axes.axhline(floor, linestyle="--", color="#777777", linewidth=1.2, label=label)
    axes.grid(alpha=0.25)
    axes.set_xlim(left=0)
    axes.spines[["top", "right"]].set_visible(False)
    _draw_ratio(axes, comparison, position, what)


def _draw_ratio(axes: Any, comparison: Comparison, position: Position, what: str) -> None:
    """An arrow from where the worst ended to where the best was as close; the ratio above."""
    equals = comparison.equal_distances()
    if len(equals) < 2:
        return
    worst, best = equals[0], equals[-1].of
    ratio, start, end = worst.ratio(best, what), worst.reached[worst.of], worst.reached[best]
    if ratio is None or start.point is None or end.point is None:
        axes.set_title(f"{worst.of} ended no closer than {best} began", fontsize=10)
        return
    words = times_fewer(ratio) if what == "images_seen" else times_less(ratio)
    noun = "images" if what == "images_seen" else "time"
    axes.set_title(f"{best}: {words} {noun} to where {worst.of} ended (arrow)", fontsize=10)
    left, right = sorted((position(start.point), position(end.point)))
    style = {"arrowstyle": "<->", "color": "#555555", "shrinkA": 0, "shrinkB": 0}
    axes.annotate("", (left, worst.distance), (right, worst.distance), arrowprops=style)


def _draw_outcome(axes: Any, outcome: Outcome, colour: str, position: Position) -> None:
    mean = outcome.mean
    if mean is None:
        return
    if len(outcome.curves) > 1:
        for curve in outcome.curves:
            axes.plot(*_line(curve, position), color=colour, linewidth=0.9, alpha=0.45)
    axes.plot(
        *_line(mean, position),
        color=colour,
        linewidth=2.2,
        marker="o",
        markersize=3,
        label=outcome.name,
    )


def _line(curve: Curve, position: Position) -> tuple[list[float], list[float]]:
    return (
        [position(point) for point in curve.points],
        [point.distance for point in curve.points],
    )


def _scale(axes: Any, comparison: Comparison) -> None:
    """A logarithmic axis with plain numbers where the distances span enough of it."""
    floor = comparison.measure.floor if comparison.measure else None
    values = [p.distance for o in comparison.measured for c in o.curves for p in c.points]
    values += [floor] if floor is not None else []
    if min(values) <= 0 or max(values) / min(values) < _LOG_FROM:
        return
    from matplotlib.ticker import LogLocator, NullFormatter  # noqa: PLC0415 - slow to import

    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter(NullFormatter())
