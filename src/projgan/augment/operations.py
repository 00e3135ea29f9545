"""Every augmentation by name: draws its numbers, one set a sample, and applies them."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor

from projgan.augment import diffaug, geometry
from projgan.rng import integers, uniform

Operation = Callable[[Tensor, "torch.Generator | None"], Tensor]

MAX_ROTATION = math.radians(15)
MAX_SCALE = 1.25


def _color(images: Tensor, generator: torch.Generator | None) -> Tensor:
    images = diffaug.adjust_brightness(images, _uniform(-0.5, 0.5, images, generator))
    images = diffaug.adjust_saturation(images, _uniform(0.0, 2.0, images, generator))
    return diffaug.adjust_contrast(images, _uniform(0.5, 1.5, images, generator))


def _translation(images: Tensor, generator: torch.Generator | None) -> Tensor:
    limits = [diffaug.max_shift(size) for size in images.shape[2:]]
    rows, columns = (_integers(-limit, limit, images, generator) for limit in limits)
    return diffaug.translate(images, rows, columns)


def _cutout(images: Tensor, generator: torch.Generator | None) -> Tensor:
    # An even square has no middle pixel: one more position makes its range symmetric.
    last = [size - diffaug.cutout_side(size) % 2 for size in images.shape[2:]]
    rows, columns = (_integers(0, limit, images, generator) for limit in last)
    return diffaug.cutout(images, rows, columns)


def _flip(images: Tensor, generator: torch.Generator | None) -> Tensor:
    return geometry.flip(images, _integers(0, 1, images, generator) == 1)


def _rotate90(images: Tensor, generator: torch.Generator | None) -> Tensor:
    return geometry.rotate90(images, _integers(0, 3, images, generator))


def _rotation(images: Tensor, generator: torch.Generator | None) -> Tensor:
    return geometry.rotate(images, _uniform(-MAX_ROTATION, MAX_ROTATION, images, generator))


def _scale(images: Tensor, generator: torch.Generator | None) -> Tensor:
    limit = math.log(MAX_SCALE)
    return geometry.scale(images, _uniform(-limit, limit, images, generator).exp())


OPERATIONS: dict[str, Operation] = {
    "color": _color,
    "translation": _translation,
    "cutout": _cutout,
    "flip": _flip,
    "rotate90": _rotate90,
    "rotation": _rotation,
    "scale": _scale,
}
"""The names that a config may use (`config.learning.AUGMENTATIONS`)."""


def _uniform(low: float, high: float, images: Tensor, generator: torch.Generator | None) -> Tensor:
    """One number in [low, high) for each sample."""
    return low + (high - low) * uniform((len(images),), generator, images)


def _integers(low: int, high: int, images: Tensor, generator: torch.Generator | None) -> Tensor:
    """One whole number in [low, high], both ends included, for each sample."""
    return integers(low, high, (len(images),), generator, images)
