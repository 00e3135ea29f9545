from pathlib import Path
from typing import Any

import pytest

from projgan.training import chart
from projgan.training.panels import (
    PANELS,
    panels_with_data,
    pictures_of,
    points_of,
    spans_of_states,
)

ROWS: list[dict[str, Any]] = [
    {"images_seen": 10 * n, "epoch": float(n), "loss_g": 1.0, "loss_d": 2.0, "augment_p": n / 10}
    for n in range(1, 6)
] + [{"images_seen": 50, "fd_lite1": 80.0}]


class Drawn:
    """The figure, taken before it becomes a file."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, rows: list[dict[str, Any]]) -> None:
        self.figures: list[Any] = []
        monkeypatch.setattr(chart, "save_figure", lambda figure, path: self.figures.append(figure))
        chart.draw_chart(rows, Path("unused.png"), title="run")

    @property
    def axes(self) -> list[Any]:
        return [one for one in self.figures[0].axes if one.axison]


def test_only_panels_and_lines_with_data_are_drawn() -> None:
    (panel,) = panels_with_data(ROWS)
    assert [line.key for line in panel.lines] == ["loss_g", "loss_d", "augment_p", "fd_lite1"]
    everything = {line.key: 1.0 for one in PANELS for line in one.lines}
    assert panels_with_data([{"images_seen": 1, **everything}]) == list(PANELS)


def test_a_distance_alone_makes_no_panel() -> None:
    assert panels_with_data([{"images_seen": 0, "fd_lite1": 300.0}]) == []


def test_the_chart_has_losses_p_the_dashed_distance_and_both_axes(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    left, right = Drawn(monkeypatch, ROWS).axes
    styles = {line.get_label(): line.get_linestyle() for line in left.lines}
    assert styles == {"generator": "-", "discriminator": "-", "p of augmentation": "-"}
    assert [(line.get_label(), line.get_linestyle()) for line in right.lines] == [
        ("fd-lite1", "--")
    ]
    assert (left.get_xlabel(), right.get_yscale()) == ("images seen", "log")
    (above,) = left.child_axes
    assert above.xaxis.label.get_text() == "epochs"
    to_epochs = above._functions[0]
    assert to_epochs(50) == 5


def test_without_epochs_there_is_one_axis(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [{"images_seen": n, "loss_g": 1.0} for n in (1, 2, 3)]
    (axes,) = Drawn(monkeypatch, rows).axes
    assert axes.child_axes == []
    assert pictures_of(rows) is None


def test_a_state_holds_until_the_next_one() -> None:
    rows = [{"images_seen": n} for n in range(0, 60, 10)]
    for index, state in ((1, "learning"), (2, "learning"), (4, "collapse")):
        rows[index]["state"] = state  # type: ignore[assignment]
    assert spans_of_states(rows) == [(10, 40, "learning"), (40, 50, "collapse")]
    assert spans_of_states(ROWS) == []


def test_points_are_those_rows_that_have_a_number() -> None:
    rows = [
        {"images_seen": 1, "recall": 0.5},
        {"images_seen": 2},
        {"images_seen": 3, "recall": "-"},
    ]
    assert points_of(rows, "recall") == [(1, 0.5)]
