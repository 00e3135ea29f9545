"""Generators: the contract and registry (`base`), and the networks that come with the package."""

from projgan.generators.base import (
    Builder,
    Generator,
    build_generator,
    known_generators,
    register,
)
from projgan.generators.fastgan import FastGAN

__all__ = ["Builder", "FastGAN", "Generator", "build_generator", "known_generators", "register"]
