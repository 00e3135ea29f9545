"""Differentiable augmentation before the discriminator."""

from projgan.augment.pipeline import Augment

__all__ = ["Augment"]
