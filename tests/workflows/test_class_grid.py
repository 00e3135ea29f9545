"""Grids of conditional runs: a row a class."""

from __future__ import annotations

import numpy as np
import pytest

from projgan.workflows.class_grid import cell_classes, cell_pictures


@pytest.mark.parametrize(
    ("size", "labels", "expected"),
    [
        (9, [0, 1, 2], [0, 0, 0, 1, 1, 1, 2, 2, 2]),
        (9, [1, 0, 1], [0, 0, 0, 1, 1, 1, 0, 0, 0]),  # over again
        (4, [5, 3, 7, 9], [3, 3, 5, 5]),  # as many as there is room for
        (8, [0, 1], [0, 0, 0, 1, 1, 1, 0, 0]),  # the last row is not full
        (9, [0, 2, 2], [0, 0, 0, 2, 2, 2, 0, 0, 0]),  # class 1 has no picture
    ],
)
def test_a_row_a_class(size: int, labels: list[int], expected: list[int]) -> None:
    assert cell_classes(size, labels) == expected


def test_pictures_of_the_cell_s_class_and_each_once_while_there_are_others() -> None:
    labels = [0, 1, 0, 1, 0, 0]
    order = np.array([5, 1, 4, 0, 3, 2])
    assert cell_pictures([0, 0, 0, 1, 1, 1], labels, order) == [5, 4, 0, 1, 3, 1]
    assert cell_pictures([0] * 6, labels, order) == [5, 4, 0, 2, 5, 4]
