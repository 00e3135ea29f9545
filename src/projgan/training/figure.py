"""A figure of matplotlib that needs no screen, and how it becomes a PNG."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from projgan.images import save_image


def new_figure(width: float, height: float, *, title: str) -> Any:
    """An empty figure of width x height inches at 100 dots an inch, with a line above."""
    from matplotlib.figure import Figure  # noqa: PLC0415 - slow to import

    figure = Figure(figsize=(width, height), dpi=100, layout="constrained")
    figure.suptitle(title)
    return figure


def save_figure(figure: Any, path: Path) -> None:
    """Write the PNG `path`, whole or not at all."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 - slow to import

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    save_image(Image.fromarray(np.asarray(canvas.buffer_rgba())).convert("RGB"), path)
