"""A picture set that anyone can make: flowers, drawn from a seed.

The demo trains on it, and tests and documentation show it, so the project needs no picture of
anyone else's. `data.flowers` says what a flower is; `data.painting` paints it.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from PIL import Image

from projgan.data.flowers import Flower, grow
from projgan.data.painting import paint
from projgan.errors import UsageError
from projgan.images import save_image
from projgan.rng import numpy_stream

MAX_COUNT = 100_000
MAX_SIZE = 2048


def draw_picture(seed: int, index: int, size: int, *, transparent: bool = False) -> Image.Image:
    """Picture `index` of the set `seed`: a flower, RGB, `size` x `size` pixels.

    It depends on seed and index alone; another size shows the same flower. `transparent` leaves out
    sky and hill: the same flower, RGBA, on nothing.

    Raises:
        UsageError: if size is not between 8 and 2048.
    """
    if not 8 <= size <= MAX_SIZE:
        raise UsageError(f"cannot draw at {size} pixels; choose a size from 8 to {MAX_SIZE}")
    return paint(_flower(seed, index), size, transparent=transparent)


def write_drawn_set(
    folder: Path,
    *,
    count: int,
    size: int,
    seed: int = 0,
    by_kind: bool = False,
    transparent: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Path]:
    """Draw pictures 0 to count - 1 into `folder` as drawn-00000.png and so on; returns their paths.

    Args:
        folder: made if missing; it must be empty.
        count: 1 to 100,000.
        size: side in pixels.
        seed: another seed gives another set; the same one gives the same bytes.
        by_kind: each picture into a sub-folder with the name of its kind of flower: a set with
            classes. The pictures are the same.
        transparent: flowers on nothing, in files with transparency.
        progress: called with (pictures done, count) after each.

    Raises:
        UsageError: if the folder holds anything or a number is out of range.
    """
    if not 1 <= count <= MAX_COUNT:
        raise UsageError(f"cannot draw {count} pictures; choose from 1 to {MAX_COUNT}")
    _require_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for index in range(count):
        place = folder / _flower(seed, index).kind if by_kind else folder
        place.mkdir(exist_ok=True)
        path = place / f"drawn-{index:05d}.png"
        save_image(draw_picture(seed, index, size, transparent=transparent), path)
        paths.append(path)
        if progress is not None:
            progress(index + 1, count)
    return paths


def _flower(seed: int, index: int) -> Flower:
    return grow(numpy_stream(seed, "drawn", index))


def _require_empty(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(
            "drawn pictures go into an empty folder, and this is not one",
            where=str(folder),
            safe="nothing was written",
            next_command="name a folder that does not exist yet",
        )
