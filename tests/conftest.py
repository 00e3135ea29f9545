"""Fixtures for all tests: a few drawn pictures, and the shared material where it is at hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw

from faults.score import pytest_terminal_summary, score  # noqa: F401 - a hook and a fixture


@pytest.fixture
def shared() -> Path:
    """The folder of shared material beside the repository; the test is skipped without it."""
    folder = Path(__file__).resolve().parents[2] / "shared"
    if not folder.is_dir():
        pytest.skip("skipped: no shared data")
    return folder


@pytest.fixture
def picture_folder(tmp_path: Path) -> Path:
    """A folder of 24 small pictures: one coloured disc each, 48 x 48, no two alike."""
    folder = tmp_path / "pictures"
    folder.mkdir()
    for index in range(24):
        disc(index).save(folder / f"disc-{index:02d}.png")
    return folder


def disc(seed: int, size: int = 48) -> Image.Image:
    """A disc of some colour and place on a ground of another."""
    rng = np.random.default_rng(seed)
    ground, colour = (tuple(int(v) for v in rng.integers(0, 256, 3)) for _ in range(2))
    radius = rng.uniform(0.2, 0.4) * size
    x, y = rng.uniform(0.4, 0.6, 2) * size
    image = Image.new("RGB", (size, size), ground)
    ImageDraw.Draw(image).ellipse((x - radius, y - radius, x + radius, y + radius), fill=colour)
    return image
