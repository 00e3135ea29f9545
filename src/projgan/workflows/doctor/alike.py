"""Pictures that show the same: near-duplicates, upright or mirrored, among small copies.

Two copies count as near-duplicates if both their colours and their fine structure agree. Structure
is luma less its surroundings: pictures of one composition (flowers before a sky) agree in colours
but not in that. Re-saved, resized, lighter or darker copies are found; pictures cropped by more
than about a fiftieth of their side are not.

The limits were set on 160 real and 300 drawn pictures. Structure of a copy saved as JPEG of quality
40, of half the size, or a fifth lighter correlated by 0.96 and more; of two different pictures, by
0.65 at most.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

SAME_STRUCTURE = 0.8
SAME_COLOURS = 0.9
COMPARED_MOST = 10_000
"""Larger sets are compared in every so many pictures: the work grows with the square."""

_LUMA = np.array([0.299, 0.587, 0.114], np.float32)
_CHUNK = 1_000
_FLAT_LEVELS = 0.5
"""A mean deviation below this is no structure: plain colours are not compared."""

Array = npt.NDArray[np.float32]


@dataclass(frozen=True)
class Group:
    """Pictures that show the same.

    Attributes:
        indices: two or more, in order.
        mirrored: pairs among them that agree better when one of them is mirrored.
    """

    indices: tuple[int, ...]
    mirrored: tuple[tuple[int, int], ...]


def compared(count: int) -> npt.NDArray[np.int64]:
    """Which of `count` pictures take part."""
    most = min(count, COMPARED_MOST)
    return np.arange(most) * count // max(most, 1)


def find_groups(small: npt.NDArray[np.uint8]) -> list[Group]:
    """Groups of near-duplicates among (N, S, S, 3) copies, in order of their first picture."""
    colours, structure = _colours(small), _structure(small)
    flipped = small[:, :, ::-1]
    pairs = dict.fromkeys(_agree((colours, structure), (colours, structure)), False)
    for pair in _agree((colours, structure), (_colours(flipped), _structure(flipped))):
        pairs.setdefault(pair, True)
    return _join(pairs, len(small))


def _agree(those: tuple[Array, Array], these: tuple[Array, Array]) -> list[tuple[int, int]]:
    """Pairs i < j of which i, as one of those, agrees with j, as one of these."""
    found = []
    for start in range(0, len(those[1]), _CHUNK):
        alike = those[1][start : start + _CHUNK] @ these[1].T
        for row, column in np.argwhere(alike >= SAME_STRUCTURE):
            i, j = int(row) + start, int(column)
            if i < j and float(those[0][i] @ these[0][j]) >= SAME_COLOURS:
                found.append((i, j))
    return found


def _colours(small: npt.NDArray[np.uint8]) -> Array:
    return _unit(small.reshape(len(small), -1).astype(np.float32))


def _structure(small: npt.NDArray[np.uint8]) -> Array:
    """Luma less the mean of each pixel's 3 x 3 neighbourhood."""
    luma = small.astype(np.float32) @ _LUMA
    height, width = luma.shape[1:]
    padded = np.pad(luma, ((0, 0), (1, 1), (1, 1)), mode="edge")
    around = sum(padded[:, y : y + height, x : x + width] for y in range(3) for x in range(3))
    return _unit((luma - around / 9).reshape(len(small), -1))


def _unit(rows: Array) -> Array:
    """Rows less their mean, of length 1; 0 if there is next to nothing in them."""
    rows = rows - rows.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    is_flat = lengths < _FLAT_LEVELS * np.sqrt(rows.shape[1])
    unit: Array = np.where(is_flat, 0.0, rows / np.maximum(lengths, 1e-9)).astype(np.float32)
    return unit


def _join(pairs: dict[tuple[int, int], bool], count: int) -> list[Group]:
    """Pairs that share a picture become one group."""
    parent = list(range(count))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    for i, j in pairs:
        one, other = sorted((root(i), root(j)))
        parent[other] = one
    members: dict[int, list[int]] = {}
    for index in sorted({index for pair in pairs for index in pair}):
        members.setdefault(root(index), []).append(index)
    mirrored = sorted(pair for pair, is_mirrored in pairs.items() if is_mirrored)
    return [
        Group(tuple(group), tuple(pair for pair in mirrored if root(pair[0]) == first))
        for first, group in sorted(members.items())
    ]
