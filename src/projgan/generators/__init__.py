"""Generators: the contract and registry (`base`), and the networks that come with the package."""

from projgan.generators.base import (
    Builder,
    Generator,
    StyleGenerator,
    build_generator,
    known_generators,
    register,
)
from projgan.generators.fastgan import FastGAN
from projgan.generators.stylegan2 import StyleGAN2

__all__ = [
    "Builder",
    "FastGAN",
    "Generator",
    "StyleGAN2",
    "StyleGenerator",
    "build_generator",
    "known_generators",
    "register",
]
