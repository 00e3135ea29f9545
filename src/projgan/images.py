"""Pixels: uint8 <-> [-1, 1], grids of pictures, and pictures laid over a background.

Everywhere inside, images are (B, C, H, W) float tensors in [-1, 1] (black to white). C is 3, or 1
for grey, or 4 for colours and alpha: -1 is transparent, 1 opaque, and colours are not multiplied by
it. On disk and in memory maps they are uint8 in [0, 255].
"""

from __future__ import annotations

import io
import math
import os
from pathlib import Path

import torch
from PIL import Image
from torch import Tensor

from projgan.errors import UsageError

_WITH_ALPHA = ("PNG", "WEBP", "TIFF")
"""Formats that keep an alpha channel."""


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


def over(images: Tensor, background: Tensor | float = 1.0) -> Tensor:
    """Float images of any kind as three channels: what there is to be seen of them.

    Grey is repeated, colours are as they are, and what is transparent shows the background, in
    proportion to alpha. Nothing is clipped: gradients reach alpha everywhere.

    Args:
        images: (B, C, H, W) in [-1, 1], C 3, 1 or 4.
        background: in [-1, 1], broadcast to (B, 3, H, W); white by default.
    Returns: (B, 3, H, W), channels_last; the very same tensor for C = 3.
    """
    channels = images.shape[1]
    if channels == 3:
        return images
    if channels == 1:
        return images.expand(-1, 3, -1, -1).contiguous(memory_format=torch.channels_last)
    assert channels == 4, f"pictures have 1, 3 or 4 channels, not {channels}"
    colours, alpha = images[:, :3], (images[:, 3:] + 1) / 2
    seen = background + (colours - background) * alpha
    return seen.contiguous(memory_format=torch.channels_last)


def to_pil(pixels: Tensor) -> Image.Image:
    """One (C, H, W) uint8 tensor -> a Pillow image of mode RGB, L or RGBA."""
    if len(pixels) == 1:
        return Image.fromarray(pixels[0].contiguous().cpu().numpy())
    return Image.fromarray(pixels.permute(1, 2, 0).contiguous().cpu().numpy())


def on_white(image: Image.Image) -> Image.Image:
    """An RGBA picture laid over white, as RGB; any other as it is."""
    if image.mode != "RGBA":
        return image
    canvas = Image.new("RGB", image.size, (255, 255, 255))
    canvas.paste(image, mask=image.getchannel("A"))
    return canvas


def grid(images: Tensor, *, columns: int | None = None) -> Image.Image:
    """Pictures side by side, row by row, without gaps.

    Args:
        images: (B, C, H, W), float in [-1, 1] or uint8.
        columns: pictures in a row; as many as rows, or one more, by default. Empty cells are white,
            or transparent where pictures can be.
    """
    pixels = images if images.dtype == torch.uint8 else to_uint8(images)
    count, channels, height, width = pixels.shape
    columns = min(columns or math.ceil(math.sqrt(count)), count)
    rows = math.ceil(count / columns)
    canvas = torch.full((rows * columns, channels, height, width), 255, dtype=torch.uint8)
    canvas[:, 3:] = 0
    canvas[:count] = pixels.cpu()
    canvas = canvas.view(rows, columns, channels, height, width).permute(2, 0, 3, 1, 4)
    return to_pil(canvas.reshape(channels, rows * height, columns * width))


def picture_format(path: Path) -> str:
    """The format that a file name stands for, as Pillow calls it.

    Raises: UsageError: it stands for none that can be written.
    """
    kind = Image.registered_extensions().get(path.suffix.lower(), "")
    if kind not in Image.SAVE:
        raise UsageError(
            "this name stands for no format of pictures",
            where=str(path),
            next_command=f"--out {path.with_suffix('.png')}",
        )
    return kind


def save_image(image: Image.Image, path: Path) -> None:
    """Write `image` to `path` whole or not at all (the format follows the file name).

    In a format without transparency, transparent parts become white.
    Raises: UsageError: as `picture_format`.
    """
    buffer = io.BytesIO()
    kind = picture_format(path)
    kept = image if kind in _WITH_ALPHA else on_white(image)
    kept.save(buffer, format=kind)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        temporary.write_bytes(buffer.getvalue())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
