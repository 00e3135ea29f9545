"""Differentiable augmentation before the discriminator."""

from projgan.augment.diffaug import DiffAugment

__all__ = ["DiffAugment"]
