"""How the grids of a conditional run are laid out: a row a class, and over again."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt


def cell_classes(size: int, labels: Sequence[int]) -> list[int]:
    """The class of each cell of the most nearly square grid of `size` pictures.

    Args:
        size: cells, as many as latents.
        labels: of all pictures: a class that has none gets no row.
    """
    columns = math.ceil(math.sqrt(size))
    present = sorted(set(labels))
    return [present[cell // columns % len(present)] for cell in range(size)]


def cell_pictures(
    classes: Sequence[int], labels: Sequence[int], order: npt.NDArray[np.int64]
) -> list[int]:
    """A picture of the cell's class for each cell, other ones as long as there are any.

    Args:
        classes: of the cells.
        labels: of all pictures.
        order: pictures, as they are to be chosen.
    """
    streams = {
        wanted: itertools.cycle([int(i) for i in order if labels[i] == wanted])
        for wanted in set(classes)
    }
    return [next(streams[wanted]) for wanted in classes]
