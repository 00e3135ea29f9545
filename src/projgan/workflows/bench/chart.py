"""`bench.png`: where a step's time goes, and how two ways compare."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projgan.training.figure import new_figure, save_figure
from projgan.workflows.bench.machine import in_words

_FORWARD, _BACKWARD, _OTHER = "#2a6f97", "#d1495b", "#6c757d"


def draw_benchmark(facts: Mapping[str, Any], path: Path) -> None:
    """Bars by part, where parts were measured, beside bars of images a second."""
    settings = facts["settings"]
    title = (
        f"{settings['generator']}, {settings['resolution']} px, batch {settings['batch']}, "
        f"{settings['precision']}\n{in_words(facts['machine'])}"
    )
    has_parts = "parts" in facts
    figure = new_figure(11 if has_parts else 6, 4.6, title=title)
    grid = figure.subplots(1, 2 if has_parts else 1, squeeze=False)[0]
    if has_parts:
        _draw_parts(grid[0], facts["parts"])
    _draw_rates(grid[-1], facts)
    save_figure(figure, path)


def _draw_parts(axes: Any, parts: Mapping[str, Any]) -> None:
    rows = {name: row for name, row in parts["by_part"].items() if row["share"] >= 0.0005}
    names = list(rows)
    forward = [row["forward_s"] for row in rows.values()]
    backward = [row.get("backward_s", 0.0) for row in rows.values()]
    axes.barh(names, forward, color=_FORWARD, label="forward, or all of it")
    axes.barh(names, backward, left=forward, color=_BACKWARD, label="backward")
    most = max(a + b for a, b in zip(forward, backward, strict=True))
    for place, (row, a, b) in enumerate(zip(rows.values(), forward, backward, strict=True)):
        axes.text(a + b + most * 0.01, place, f"{row['share']:.1%}", va="center", fontsize=9)
    axes.set_xlim(0, most * 1.14)
    axes.invert_yaxis()
    axes.set(xlabel="seconds of a step (median)", title="where the time goes")
    axes.legend(loc="lower right", fontsize=9)


def _draw_rates(axes: Any, facts: Mapping[str, Any]) -> None:
    """Medians as bars, least to most as lines."""
    bars = [("this", facts["step"]["images_per_s"])]
    title = "images a second"
    if "against" in facts:
        against = facts["against"]
        bars.append((against["name"].replace(",", "\n"), against["images_per_s"]))
        ratio = against["ratio"]
        title = (
            f"{ratio['median']:.2f} times as fast ({ratio['least']:.2f} to {ratio['most']:.2f}, "
            f"{ratio['count']} rounds)"
        )
    names = [name for name, _ in bars]
    medians = [values["median"] for _, values in bars]
    below = [values["median"] - values["least"] for _, values in bars]
    above = [values["most"] - values["median"] for _, values in bars]
    drawn = axes.bar(
        names,
        medians,
        yerr=[below, above],
        capsize=5,
        width=0.55,
        color=[_FORWARD, _OTHER][: len(bars)],
    )
    axes.bar_label(drawn, fmt="%.3g", label_type="center", color="white", fontsize=11)
    axes.set(ylabel="images a second (median; line: least to most)", title=title)
    axes.margins(x=0.3)
