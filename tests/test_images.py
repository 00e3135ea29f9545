from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from projgan.errors import UsageError
from projgan.images import grid, on_white, over, save_image, to_float, to_pil, to_uint8


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


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB"), (4, "RGBA")])
def test_every_kind_of_picture_has_its_mode(tmp_path: Path, channels: int, mode: str) -> None:
    pictures = torch.randint(0, 256, (3, channels, 4, 6), dtype=torch.uint8)
    sheet = grid(pictures, columns=2)
    assert (sheet.mode, sheet.size) == (mode, (12, 8))
    save_image(sheet, tmp_path / "a.png")
    with Image.open(tmp_path / "a.png") as image:
        assert image.mode == mode
        pixels = np.asarray(image).reshape(8, 12, channels)
    assert np.array_equal(pixels[4:, :6].transpose(2, 0, 1), pictures[2].numpy())
    empty = pixels[4:, 6:]
    assert (empty[..., :3] == 255).all() and (empty[..., 3:] == 0).all()
    assert np.array_equal(np.asarray(to_pil(pictures[0])), pixels[:4, :6].squeeze())


def test_what_cannot_be_transparent_becomes_white(tmp_path: Path) -> None:
    image = Image.new("RGBA", (16, 16), (0, 0, 255, 0))
    image.paste((255, 0, 0, 255), (0, 0, 16, 8))
    save_image(image, tmp_path / "a.jpg")
    with Image.open(tmp_path / "a.jpg") as saved:
        pixels = np.asarray(saved).astype(int)
    assert np.abs(pixels[2] - (255, 0, 0)).max() < 12 and np.abs(pixels[13] - 255).max() < 12
    plain = Image.new("RGB", (2, 2), "blue")
    assert on_white(plain) is plain


def test_pictures_over_a_background() -> None:
    colours = torch.rand(2, 3, 4, 4) * 2 - 1
    assert over(colours) is colours
    assert torch.equal(over(colours[:, :1])[:, 2], colours[:, 0])
    alpha = torch.tensor([-1.0, 0.0, 1.0, 3.0]).expand(2, 1, 4, 4)
    seen = over(torch.cat([colours, alpha], dim=1))
    assert torch.equal(seen[..., 0], torch.ones(2, 3, 4))
    assert torch.allclose(seen[..., 1], (colours[..., 1] + 1) / 2)
    assert torch.allclose(seen[..., 2], colours[..., 2], atol=1e-6)
    assert torch.allclose(seen[..., 3], 2 * colours[..., 3] - 1, atol=1e-6)  # nothing is clipped
    with pytest.raises(AssertionError, match="1, 3 or 4"):
        over(torch.zeros(1, 2, 4, 4))


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


@pytest.mark.parametrize("name", ["grid", "grid.", "grid.txt", ".png"])
def test_a_name_without_a_format_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(UsageError, match="no format of pictures"):
        save_image(Image.new("RGB", (2, 2)), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
