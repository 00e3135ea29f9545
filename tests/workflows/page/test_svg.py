import math
import re

import pytest

from projgan.training.panels import panels_with_data
from projgan.workflows.page.svg import Axis, draw_panel


def rows(**columns: list[float]) -> list[dict[str, float]]:
    count = len(next(iter(columns.values())))
    return [
        {"images_seen": 100 * (i + 1), "epoch": 2.0 * (i + 1)}
        | {key: values[i] for key, values in columns.items()}
        for i in range(count)
    ]


def drawn(history: list[dict[str, float]], number: int = 0) -> str:
    return draw_panel(panels_with_data(history)[number], history, label="losses")


def test_a_line_goes_from_left_to_right_and_up_where_values_rise() -> None:
    svg = drawn(rows(loss_g=[1.0, 2.0, 4.0]))
    (points,) = re.findall(r'<polyline class="ink-red" points="([^"]+)"', svg)
    places = [tuple(map(float, pair.split(","))) for pair in points.split()]
    assert [x for x, _ in places] == sorted(x for x, _ in places)
    assert places[0][1] > places[1][1] > places[2][1]  # y grows downwards
    assert places[1][1] - places[2][1] == pytest.approx(2 * (places[0][1] - places[1][1]), abs=0.2)


def test_the_distance_is_dashed_on_a_scale_of_its_own() -> None:
    svg = drawn(rows(loss_g=[1.0, 1.0, 1.0], fd_lite1=[1000.0, 100.0, 10.0]))
    (points,) = re.findall(r'<polyline class="ink-grey dashed" points="([^"]+)"', svg)
    heights = [float(pair.split(",")[1]) for pair in points.split()]
    assert heights[1] - heights[0] == pytest.approx(heights[2] - heights[1], abs=0.2)  # logarithmic


def test_axes_show_images_below_and_epochs_above() -> None:
    words = re.findall(r"<text[^>]*>([^<]*)</text>", drawn(rows(loss_g=[1.0] * 10)))
    assert "images seen" in words
    assert "epochs" in words
    assert "500" in words  # images
    assert "10" in words  # epochs: 50 pictures, 500 images


def test_a_single_point_and_equal_values_can_be_drawn() -> None:
    assert "<circle" in drawn(rows(loss_g=[0.0]))
    assert "<polyline" in drawn(rows(loss_g=[3.0] * 4))
    start = [{"images_seen": 0, "loss_g": 1.0}]
    assert "nan" not in drawn(start)


def test_states_tint_the_ground() -> None:
    history = rows(loss_g=[1.0] * 4)
    history[0]["state"], history[2]["state"] = "learning", "collapse"  # type: ignore[assignment]
    svg = drawn(history)
    tints = re.findall(r'class="tint-(\w+)" x="([\d.]+)"[^>]*width="([\d.]+)"', svg)
    assert [tint for tint, _, _ in tints] == ["green", "red"]
    assert float(tints[0][1]) + float(tints[0][2]) == pytest.approx(float(tints[1][1]), abs=0.2)


@pytest.mark.parametrize("low, high", [(0.0, 1.0), (-3.2, 4.1), (0.0, 819_000.0), (1e-4, 3e-4)])
def test_ticks_are_few_and_within(low: float, high: float) -> None:
    ticks = Axis(low, high, 0, 100).ticks()
    assert 2 <= len(ticks) <= 6
    assert all(low <= tick <= high for tick in ticks)


def test_logarithmic_ticks_are_within() -> None:
    for low, high in ((0.2, 9.0), (1e-3, 1e3), (80.0, 95.0)):
        axis = Axis(low, high, 0, 100, is_log=True)
        assert len(axis.ticks()) >= 2
        assert all(0 <= axis.at(tick) <= 100 for tick in axis.ticks())
    assert Axis(1, 100, 0, 100, is_log=True).at(math.sqrt(100)) == 50
