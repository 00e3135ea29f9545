"""Flips, turns and scaling, a draw a sample, with gradients; what comes in from outside is 0.

Beside the operations of DiffAugment; none of them is in the reference's policy. Always on, they
teach a generator to make mirrored or turned pictures too; with a probability below 1 they do so
less (`augment.pipeline`).

Images: (B, C, H, W) float. Draws: (B,), one a sample. Shape, type and memory format stay.

Source: Training Generative Adversarial Networks with Limited Data (Karras et al., 2020), the pixel
blitting and geometric transformations of its pipeline.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


def flip(images: Tensor, is_flipped: Tensor) -> Tensor:
    """Mirror left and right where `is_flipped` (B,), bool; the others stay bit for bit."""
    return torch.where(is_flipped.view(-1, 1, 1, 1), images.flip(3), images)


def rotate90(images: Tensor, quarters: Tensor) -> Tensor:
    """Turn by whole quarters, counter-clockwise; `quarters` (B,) in 0..3. No pixel is blurred.

    Only for squares: H = W.
    """
    assert images.shape[2] == images.shape[3], "a quarter turn does not keep the shape"
    # A quarter turn is a transposition and a flip; half a turn more gives the other two.
    is_upright = (quarters % 2 == 0).view(-1, 1, 1, 1)
    turned = torch.where(is_upright, images, images.transpose(2, 3).flip(2))
    is_over = (quarters >= 2).view(-1, 1, 1, 1)
    return torch.where(is_over, turned.flip(2, 3), turned)


def rotate(images: Tensor, angles: Tensor) -> Tensor:
    """Turn counter-clockwise by `angles` (B,), in radians; bilinear."""
    cos, sin = angles.cos(), angles.sin()
    zero = torch.zeros_like(cos)
    # Rows of the matrix say where each output position looks: the inverse of the turn. Rows of an
    # image count downwards, so what looks counter-clockwise is clockwise in its coordinates.
    # Coordinates run from -1 to 1 along both sides, so a unit of one is not one of the other.
    ratio = images.shape[2] / images.shape[3]
    rows = [
        torch.stack([cos, -sin * ratio, zero], dim=1),
        torch.stack([sin / ratio, cos, zero], dim=1),
    ]
    return _resample(images, torch.stack(rows, dim=1))


def scale(images: Tensor, factors: Tensor) -> Tensor:
    """Enlarge (factor above 1) or shrink about the centre; `factors` (B,), positive; bilinear."""
    inverse, zero = 1 / factors, torch.zeros_like(factors)
    rows = [
        torch.stack([inverse, zero, zero], dim=1),
        torch.stack([zero, inverse, zero], dim=1),
    ]
    return _resample(images, torch.stack(rows, dim=1))


def _resample(images: Tensor, matrices: Tensor) -> Tensor:
    """Look up each output position through its sample's (2, 3) matrix; `matrices`: (B, 2, 3)."""
    grid = F.affine_grid(matrices.to(images.dtype), list(images.shape), align_corners=False)
    looked_up = F.grid_sample(images, grid, mode="bilinear", align_corners=False)
    if images.is_contiguous(memory_format=torch.channels_last):
        return looked_up.contiguous(memory_format=torch.channels_last)
    return looked_up
