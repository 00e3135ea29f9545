"""Pixels: uint8 <-> [-1, 1], and grids of pictures.

Everywhere inside, images are (B, 3, H, W) float tensors in [-1, 1] (black to white). On disk and in
memory maps they are uint8 in [0, 255].
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor


def to_float(pixels: Tensor) -> Tensor:
    """uint8 in [0, 255] -> float32 in [-1, 1]; any shape; the memory format is kept."""
    return pixels.to(torch.float32).div_(127.5).sub_(1.0)


def to_uint8(images: Tensor) -> Tensor:
    """Float images -> uint8 by rounding; values outside [-1, 1] are clipped; any shape."""
    return (
        images.detach()
        .to(torch.float32)
        .add(1.0)
        .mul(127.5)
        .round_()
        .clamp_(0, 255)
        .to(torch.uint8)
    )


def to_pil(pixels: Tensor) -> Image.Image:
    """One (3, H, W) uint8 tensor -> a Pillow image."""
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def grid(images: Tensor, *, columns: int | None = None) -> Image.Image:
    """Pictures side by side, row by row, without gaps.

    Args:
        images: (B, 3, H, W), float in [-1, 1] or uint8.
        columns: pictures in a row; the most nearly square grid by default. Empty cells are white.
    """
    pixels = images if images.dtype == torch.uint8 else to_uint8(images)
    count, channels, height, width = pixels.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    canvas = torch.full((rows * columns, channels, height, width), 255, dtype=torch.uint8)
    canvas[:count] = pixels.cpu()
    canvas = canvas.view(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return to_pil(canvas.reshape(channels, rows * height, columns * width))


def save_image(image: Image.Image, path: Path) -> None:
    """Write `image` to `path` whole or not at all (the format follows the file name)."""
    buffer = io.BytesIO()
    image.save(buffer, format=Image.registered_extensions()[path.suffix.lower()])
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
