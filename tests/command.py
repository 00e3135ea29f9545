"""projgan as a user runs it: a process of its own, from a folder of its own; and what it drew."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from projgan.cli.main import run


def start(folder: Path, *words: str) -> subprocess.Popen[str]:
    """`projgan words` in `folder`, running; one thread, and a cache of pictures in the folder.

    The folder is not on Python's path, as with the installed command (from Python 3.11 on).
    """
    return subprocess.Popen(
        [sys.executable, "-m", "projgan", *words],
        cwd=folder,
        env=os.environ
        | {
            "PROJGAN_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
            "PYTHONSAFEPATH": "1",
        },
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def projgan(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """The same to its end, which must be exit code `code`: what it printed, and its messages."""
    process = start(folder, *words)
    out, err = process.communicate(timeout=300)
    assert process.returncode == code, err
    assert "Traceback" not in err
    return out, err


def in_this_process(folder: Path, *words: str, code: int = 0) -> tuple[str, str]:
    """The same without a process of its own, which is quicker."""
    out, err = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PROJGAN_CACHE", str(folder / "cache"))
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            assert run(list(words)) == code, err.getvalue()
    assert "Traceback" not in err.getvalue()
    return out.getvalue(), err.getvalue()


def cells(path: str | Path, side: int) -> np.ndarray:
    """(rows, columns, side, side, 3) of a grid, as int."""
    with Image.open(path) as image:
        pixels = np.asarray(image).astype(int)
    rows, columns = (length // side for length in pixels.shape[:2])
    return pixels.reshape(rows, side, columns, side, 3).swapaxes(1, 2)


def differ(one: np.ndarray, other: np.ndarray) -> bool:
    """By more than a level here and there, which is rounding."""
    return int(np.abs(one - other).max()) > 1
