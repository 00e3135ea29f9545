"""The panels of the chart as SVG inside the page: sharp at any size, in the colours of the page.

Colours are classes (`ink-red`, `tint-green`), which the page's style gives shades for light and
for dark. A vertical line, which the page's script moves, marks the sample grid that is shown.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from projgan.training.panels import (
    Line,
    Panel,
    Points,
    Row,
    colour_of_state,
    pictures_of,
    points_of,
    spans_of_states,
)
from projgan.workflows.page.markup import number, text

WIDTH, HEIGHT = 400, 240
_TOP, _BOTTOM, _LEFT = 34, 206, 48
_TICKS = 4
Place = Callable[[float], float]


@dataclass(frozen=True)
class Axis:
    """Values between `low` and `high`, and where they lie between the pixels `start` and `end`."""

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def at(self, value: float) -> float:
        """The pixel of a value."""
        low, high, value = (
            (math.log10(v) for v in (self.low, self.high, value))
            if self.is_log
            else (self.low, self.high, value)
        )
        share = (value - low) / (high - low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Round values between the ends."""
        return _log_ticks(self.low, self.high) if self.is_log else _ticks(self.low, self.high)


def draw_panel(panel: Panel, rows: list[Row], *, label: str) -> str:
    """One panel as an SVG element.

    Args:
        rows: lines as `read_history` gives them.
        label: what it shows, for those who cannot see it; plain text.
    """
    beside = [line for line in panel.lines if line.is_beside]
    right = WIDTH - (46 if beside else 12)
    last = max(row["images_seen"] for row in rows)
    x = Axis(0, last or 1, _LEFT, right)
    values = [v for line in panel.lines if not line.is_beside for _, v in points_of(rows, line.key)]
    y = _axis(values, is_log=panel.is_log)
    parts = [
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{text(label)}"'
        f' data-last="{last}" data-left="{_LEFT}" data-right="{right}">'
    ]
    parts += _states(rows, x)
    parts += _frame(x, y, pictures_of(rows))
    for line in panel.lines:
        points = points_of(rows, line.key)
        if line.is_beside:
            scale = _axis([v for _, v in points], is_log=all(v > 0 for _, v in points))
            parts += _scale_beside(scale, right)
        else:
            scale = y
        parts += _line(line, points, x, scale)
    parts.append(f'<line class="now" y1="{_TOP}" y2="{_BOTTOM}" x1="-9" x2="-9"/>')
    return "".join([*parts, "</svg>"])


def _axis(values: list[float], *, is_log: bool) -> Axis:
    low, high = min(values), max(values)
    if is_log and low > 0:
        low, high = low / 1.1, high * 1.1
        return Axis(low, high, _BOTTOM, _TOP, is_log=True)
    margin = (high - low) * 0.06 or abs(high) * 0.1 or 1.0
    return Axis(low - margin, high + margin, _BOTTOM, _TOP)


def _states(rows: list[Row], x: Axis) -> list[str]:
    return [
        f'<rect class="tint-{colour_of_state(state)}" x="{x.at(start)}" y="{_TOP}"'
        f' width="{x.at(end) - x.at(start):.1f}" height="{_BOTTOM - _TOP}"/>'
        for start, end, state in spans_of_states(rows)
    ]


def _frame(x: Axis, y: Axis, pictures: float | None) -> list[str]:
    """Grid lines with their values: images below, epochs above, the figure at the left."""
    parts = []
    for value in y.ticks():
        place = y.at(value)
        parts.append(f'<line class="rule" x1="{x.start}" x2="{x.end}" y1="{place}" y2="{place}"/>')
        parts.append(_words(x.start - 6, place + 4, _short(value), "end"))
    for value in x.ticks():
        place = x.at(value)
        parts.append(f'<line class="rule" x1="{place}" x2="{place}" y1="{_TOP}" y2="{_BOTTOM}"/>')
        parts.append(_words(place, _BOTTOM + 16, _short(value), "middle"))
    parts.append(_words(x.end, _BOTTOM + 31, "images seen", "end"))
    if pictures:
        epochs = Axis(0, x.high / pictures, x.start, x.end)
        for value in epochs.ticks():
            parts.append(_words(epochs.at(value), _TOP - 6, _short(value), "middle"))
        parts.append(_words(x.end, _TOP - 20, "epochs", "end"))
    return parts


def _scale_beside(scale: Axis, right: float) -> list[str]:
    return [_words(right + 6, scale.at(v) + 4, _short(v), "start") for v in scale.ticks()]


def _line(line: Line, points: Points, x: Axis, y: Axis) -> list[str]:
    places = [(x.at(images), y.at(value)) for images, value in points]
    kind = f"ink-{line.colour}" + (" dashed" if line.is_beside else "")
    path = " ".join(f"{a:g},{b:g}" for a, b in places)
    parts = [f'<polyline class="{kind}" points="{path}"/>']
    if len(places) < 3:  # one point has no line
        parts += [f'<circle class="dot-{line.colour}" cx="{a}" cy="{b}" r="3"/>' for a, b in places]
    return parts


def _words(x: float, y: float, words: str, anchor: str) -> str:
    return f'<text x="{x:g}" y="{y:g}" text-anchor="{anchor}">{text(words)}</text>'


def _short(value: float) -> str:
    """A value of an axis: 20k instead of 20,000."""
    if value and abs(value) >= 1e6:
        return f"{value / 1e6:g}M"
    return f"{value / 1e3:g}k" if abs(value) >= 1e4 else number(value)


def _ticks(low: float, high: float) -> list[float]:
    """Multiples of 1, 2 or 5 times a power of ten."""
    rough = (high - low) / _TICKS
    power = 10.0 ** math.floor(math.log10(rough))
    step = power * next(f for f in (1, 2, 5, 10) if f * power >= rough * (1 - 1e-9))
    first, last = math.ceil(low / step), math.floor(high / step)
    return [round(index * step, 10) for index in range(first, last + 1)]


def _log_ticks(low: float, high: float) -> list[float]:
    """Powers of ten, with twos and fives where there are few of them."""
    powers = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    wide = math.log10(high / low) > 2
    factors = (1,) if wide else (1, 2, 5)
    found = [f * 10.0**power for power in powers for f in factors if low <= f * 10.0**power <= high]
    return found if len(found) >= 2 else _ticks(low, high)
