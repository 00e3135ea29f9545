from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from projgan.images import grid, save_image, to_float, to_pil, to_uint8


def test_bytes_survive_the_way_to_floats_and_back() -> None:
    pixels = torch.arange(256, dtype=torch.uint8)
    assert to_float(pixels)[[0, 255]].tolist() == [-1.0, 1.0]
    assert torch.equal(to_uint8(to_float(pixels)), pixels)


def test_values_beyond_the_range_are_clipped() -> None:
    assert to_uint8(torch.tensor([-7.0, 0.0, 7.0])).tolist() == [0, 128, 255]


def test_memory_format_is_kept() -> None:
    pixels = torch.zeros(2, 3, 4, 4, dtype=torch.uint8).to(memory_format=torch.channels_last)
    assert to_float(pixels).is_contiguous(memory_format=torch.channels_last)


def test_grid_puts_pictures_row_by_row() -> None:
    pictures = torch.arange(5, dtype=torch.uint8).view(5, 1, 1, 1).expand(5, 3, 2, 2)
    pixels = np.asarray(grid(pictures, columns=3))
    assert pixels.shape == (4, 6, 3)
    assert pixels[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 255]]


def test_grid_is_nearly_square_by_default() -> None:
    assert grid(torch.zeros(10, 3, 2, 2)).size == (8, 6)


def test_pil_and_back() -> None:
    picture = torch.randint(0, 256, (3, 4, 5), dtype=torch.uint8)
    assert np.array_equal(np.asarray(to_pil(picture)).transpose(2, 0, 1), picture.numpy())


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.png"
    save_image(Image.new("RGB", (2, 2), "red"), path)
    before = path.read_bytes()

    def full(self: Path, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    with pytest.raises(OSError, match="No space"):
        save_image(Image.new("RGB", (2, 2), "blue"), path)
    assert path.read_bytes() == before
    assert [p.name for p in tmp_path.iterdir()] == ["a.png"]
