"""projgan as a user runs it: a process of its own, from a folder of its own; and what it drew."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`projgan words` in `folder`, running; one thread, and a cache of pictures in the folder."""
    return subprocess.Popen(
        [sys.executable, "-m", "projgan", *words],
        cwd=folder,
        env=os.environ | {"PROJGAN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def projgan(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """The same to its end, which must be exit code `code`: what it printed, and its messages."""
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    return out, err


def cells(path: str | Path, side: int) -> np.ndarray:
    """(rows, columns, side, side, 3) of a grid, as int."""
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(int)
    rows, columns = (length // side for length in pixels.shape[:2])
    return pixels.reshape(rows, side, columns, side, 3).swapaxes(1, 2)


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """By more than a level here and there, which is rounding."""
    return int(np.abs(one - other).max()) > 1
