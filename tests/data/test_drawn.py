"""The drawn picture set: the same pictures always, everywhere and at every size."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projgan.data.drawn import draw_picture, write_drawn_set
from projgan.data.flowers import KINDS, grow, to_rgb
from projgan.errors import UsageError
from projgan.rng import numpy_stream


def pixels(image: Image.Image) -> np.ndarray:
    return np.asarray(image, dtype=np.float64)


def test_a_picture_depends_on_seed_and_index_alone() -> None:
    alone = draw_picture(3, 17, 64)
    for index in (0, 16, 18):
        draw_picture(3, index, 32)
    assert draw_picture(3, 17, 64).tobytes() == alone.tobytes()
    assert draw_picture(4, 17, 64).tobytes() != alone.tobytes()
    assert draw_picture(3, 18, 64).tobytes() != alone.tobytes()


@pytest.mark.parametrize("size", [32, 64, 100, 256])
def test_a_picture_is_rgb_of_the_asked_size(size: int) -> None:
    picture = draw_picture(0, 0, size)
    assert picture.mode == "RGB"
    assert picture.size == (size, size)


@pytest.mark.parametrize("index", range(6))
def test_another_size_shows_the_same_picture(index: int) -> None:
    small = pixels(draw_picture(0, index, 64))
    large = pixels(draw_picture(0, index, 256).resize((64, 64), Image.Resampling.LANCZOS))
    other = pixels(draw_picture(0, index + 1, 64))
    assert np.abs(small - large).mean() < 2.5
    assert np.abs(small - other).mean() > 10


def test_pictures_differ_from_each_other() -> None:
    pictures = {draw_picture(0, index, 32).tobytes() for index in range(100)}
    assert len(pictures) == 100


def test_the_head_stands_out_from_the_sky() -> None:
    for index in range(300):
        flower = grow(numpy_stream(0, "drawn", index))
        petal, *sky = (np.array(to_rgb(t)) for t in (flower.outer, flower.sky_low, flower.sky_high))
        for tone in sky:
            assert np.abs(petal - tone).max() > 35, f"picture {index}"


def test_flowers_stay_inside_the_picture_and_all_kinds_come() -> None:
    flowers = [grow(numpy_stream(1, "drawn", index)) for index in range(200)]
    assert {flower.kind for flower in flowers} == set(KINDS)
    for flower in flowers:
        x, y = flower.centre
        reach = 1.1 * flower.radius
        assert reach < x < 1 - reach
        assert reach < y < 1 - reach


def test_size_out_of_range_is_refused() -> None:
    for size in (0, 7, 4096):
        with pytest.raises(UsageError, match="choose a size"):
            draw_picture(0, 0, size)


def test_the_set_is_the_same_bytes_every_time(tmp_path: Path) -> None:
    calls: list[tuple[int, int]] = []
    first = write_drawn_set(
        tmp_path / "a",
        count=4,
        size=32,
        seed=5,
        progress=lambda done, count: calls.append((done, count)),
    )
    second = write_drawn_set(tmp_path / "b" / "deep", count=4, size=32, seed=5)
    assert [path.name for path in first] == [f"drawn-{index:05d}.png" for index in range(4)]
    assert sorted((tmp_path / "a").iterdir()) == first
    assert [path.read_bytes() for path in first] == [path.read_bytes() for path in second]
    assert Image.open(first[2]).tobytes() == draw_picture(5, 2, 32).tobytes()
    assert calls == [(1, 4), (2, 4), (3, 4), (4, 4)]


def test_by_kind_each_kind_has_a_folder_and_pictures_are_the_same(tmp_path: Path) -> None:
    plain = write_drawn_set(tmp_path / "plain", count=12, size=32)
    by_kind = write_drawn_set(tmp_path / "kinds", count=12, size=32, by_kind=True)
    assert [path.read_bytes() for path in by_kind] == [path.read_bytes() for path in plain]
    assert [path.name for path in by_kind] == [path.name for path in plain]
    for index, path in enumerate(by_kind):
        assert path.parent.name == grow(numpy_stream(0, "drawn", index)).kind
    assert {path.name for path in (tmp_path / "kinds").iterdir()} <= set(KINDS)


def test_a_folder_that_holds_anything_is_refused_and_left_alone(tmp_path: Path) -> None:
    (tmp_path / "holiday.png").write_bytes(b"mine")
    with pytest.raises(UsageError, match="empty folder"):
        write_drawn_set(tmp_path, count=2, size=32)
    with pytest.raises(UsageError, match="empty folder"):
        write_drawn_set(tmp_path / "holiday.png", count=2, size=32)
    assert [path.name for path in tmp_path.iterdir()] == ["holiday.png"]
    assert (tmp_path / "holiday.png").read_bytes() == b"mine"


@pytest.mark.parametrize(("count", "size"), [(0, 32), (100_001, 32), (2, 4)])
def test_numbers_out_of_range_write_nothing(tmp_path: Path, count: int, size: int) -> None:
    with pytest.raises(UsageError):
        write_drawn_set(tmp_path / "set", count=count, size=size)
    assert list(tmp_path.rglob("*.png")) == []


def test_drawing_is_fast_enough_for_a_demo() -> None:
    """About 200 pictures a second at 64 px on one core; a tenth of that would be a mistake."""
    draw_picture(0, 0, 64)
    start = time.process_time()
    for index in range(20):
        draw_picture(0, index, 64)
    assert time.process_time() - start < 1.0
