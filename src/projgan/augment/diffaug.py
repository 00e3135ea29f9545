"""DiffAugment: colour, translation and cutout, drawn afresh for every sample, with gradients.

The discriminator sees only augmented pictures, real and generated alike, so it cannot learn few
real ones by heart; since each operation passes gradients on, the generator learns through it. The
operations here take their draws as arguments; `augment.operations` makes the draws. All of them
keep shape, type and memory format.

Images: (B, C, H, W) float, about [-1, 1], not clipped. Draws: (B,), one a sample.

Source: Differentiable Augmentation for Data-Efficient GAN Training (Zhao et al., 2020), with the
ranges of Projected GANs (Sauer et al., 2021), whose cutout covers 0.2 of a side, not 0.5.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

MAX_SHIFT_RATIO = 0.125
CUTOUT_RATIO = 0.2


def max_shift(size: int) -> int:
    """Largest translation, in pixels, of pictures with `size` pixels a side."""
    return int(MAX_SHIFT_RATIO * size + 0.5)


def cutout_side(size: int) -> int:
    """Side of the cut-out square, in pixels, for pictures with `size` pixels a side."""
    return int(CUTOUT_RATIO * size + 0.5)


def adjust_brightness(images: Tensor, offsets: Tensor) -> Tensor:
    """Add the offset to every value."""
    return images + _per_sample(offsets, images)


def adjust_saturation(images: Tensor, factors: Tensor) -> Tensor:
    """Scale each pixel's distance from its own grey (the mean of its channels); 0 makes it grey."""
    grey = images.mean(dim=1, keepdim=True)
    return (images - grey) * _per_sample(factors, images) + grey


def adjust_contrast(images: Tensor, factors: Tensor) -> Tensor:
    """Scale each value's distance from the mean of its whole picture."""
    mean = images.mean(dim=(1, 2, 3), keepdim=True)
    return (images - mean) * _per_sample(factors, images) + mean


def translate(images: Tensor, shift_rows: Tensor, shift_columns: Tensor) -> Tensor:
    """Move the window over the picture; what comes in from outside is 0 (mid-grey).

    Args:
        images: (B, C, H, W).
        shift_rows, shift_columns: (B,) integers in [-max_shift(size), max_shift(size)]; a positive
            one moves the window down or right, so the content up or left.
    """
    shifted: Tensor = _Translation.apply(images, shift_rows, shift_columns)
    return shifted


def cutout(images: Tensor, centre_rows: Tensor, centre_columns: Tensor) -> Tensor:
    """Set one rectangle of each picture to 0 (mid-grey); what lies beyond the border is cut off.

    Args:
        images: (B, C, H, W). The rectangle has `cutout_side` of H rows and of W columns.
        centre_rows, centre_columns: (B,) integers in [0, size]; the rectangle begins side // 2
            before them.
    """
    is_cut_row = _inside(images.shape[2], centre_rows)
    is_cut_column = _inside(images.shape[3], centre_columns)
    kept = ~(is_cut_row[:, :, None] & is_cut_column[:, None, :])  # (B, H, W)
    # A product and not masked_fill, which gives up channels_last.
    return images * kept[:, None].to(images.dtype)


class _Translation(torch.autograd.Function):
    """A translation whose gradient is the opposite translation.

    Written out because autograd would scatter the gradient pixel by pixel: five times slower.
    """

    @staticmethod
    def forward(ctx: Any, images: Tensor, shift_rows: Tensor, shift_columns: Tensor) -> Tensor:
        ctx.save_for_backward(shift_rows, shift_columns)
        height, width = images.shape[2:]
        top, left = max_shift(height), max_shift(width)
        padded = F.pad(images, (left, left, top, top))
        # Every window of the padded pictures, as a view: (B, C, 2 * top + 1, 2 * left + 1, H, W).
        # One index a sample picks its window; no table of pixel positions is built.
        windows = padded.unfold(2, height, 1).unfold(3, width, 1)
        sample = torch.arange(images.shape[0], device=images.device)
        return windows[sample, :, top + shift_rows, left + shift_columns]

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        shift_rows, shift_columns = ctx.saved_tensors
        return _Translation.apply(gradient, -shift_rows, -shift_columns), None, None


def _per_sample(draws: Tensor, images: Tensor) -> Tensor:
    """(B,) -> (B, 1, 1, 1) in the type of the images."""
    return draws.to(images.dtype).view(-1, 1, 1, 1)


def _inside(size: int, centres: Tensor) -> Tensor:
    """(B,) centres -> (B, size): whether a row (or column) belongs to the sample's rectangle."""
    side = cutout_side(size)
    position = torch.arange(size, device=centres.device) - (centres[:, None] - side // 2)
    return (position >= 0) & (position < side)
