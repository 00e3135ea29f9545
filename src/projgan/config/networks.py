"""Settings of the networks: generator, feature network, projection, heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from projgan.config.checks import require
from projgan.errors import choose_from

DEFAULT_WEIGHTS, RANDOM_WEIGHTS = "default", "random"  # words in place of a file

HeadKind = Literal["plain", "separable"]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Which generator, and how large."""

    name: str = "fastgan-lite"
    """A registered generator."""
    z_dim: int = 256
    """Length of a latent."""
    width: int = 64
    """Channels at 128 px (ngf); every other layer scales with it."""

    def __post_init__(self) -> None:
        require(8 <= self.z_dim <= 4096, "generator.z_dim", "must lie between 8 and 4096")
        require(8 <= self.width <= 512, "generator.width", "must lie between 8 and 512")


@dataclass(frozen=True, kw_only=True)
class FeaturesConfig:
    """The frozen feature network."""

    name: str = "lite0"
    """A known feature network, or what timm calls a model; several, with commas, look at once."""
    weights: tuple[str, ...] = ()
    """A .safetensors file for each network, or the word default where its weights lie where they
    usually do. Empty: default for all. The word random is put here where pretrained is off."""
    input_size: int | tuple[int, ...] | Literal["reference"] = "reference"
    """Side in pixels at which the networks see pictures; one for all, or one for each.

    The word "reference" means 224 for smaller pictures and no resize for others; networks that
    see one size only, such as transformers, see that.
    """
    pretrained: bool = True
    """Pretrained weights. False means random weights: for tests only, it does not train well."""

    def __post_init__(self) -> None:
        names = self.name.split(",")
        require(all(n.strip() for n in names), "features.name", "a name between commas is missing")
        if self.input_size != "reference":
            for size in self.sizes:
                in_range = 128 <= size <= 1024 and size % 32 == 0
                problem = "must be a multiple of 32 from 128 to 1024"
                require(in_range, "features.input_size", problem)
            fits = len(self.sizes) in (1, len(names))
            require(fits, "features.input_size", f"must be one number, or {len(names)}")
        if self.weights:
            fits = len(self.weights) == len(names)
            problem = f"must be {len(names)}, one for each network"
            require(fits, "features.weights", problem)
            are_random = {word == RANDOM_WEIGHTS for word in self.weights} == {not self.pretrained}
            problem = "random weights are to be had by features.pretrained=false alone"
            require(are_random, "features.weights", problem)

    @property
    def sizes(self) -> tuple[int, ...]:
        """The settled sizes as numbers: one, or one for each network."""
        size = self.input_size
        assert size != "reference", "the feature size is not settled"
        return size if isinstance(size, tuple) else (int(size),)

    @property
    def description(self) -> str:
        """Names, sizes, and whether the weights are random, in words."""
        names = " and ".join(name.strip() for name in self.name.split(","))
        weights = "" if self.pretrained else " with RANDOM weights"
        return f"{names}{weights} at {' and '.join(map(str, self.sizes))} px"


@dataclass(frozen=True, kw_only=True)
class ProjectorConfig:
    """The frozen random projection of the feature maps."""

    level: int = 2
    """0: raw maps; 1: cross-channel mixing (CCM); 2: also cross-scale mixing (CSM)."""
    channels: int = 64
    """Channels of the finest CCM map."""
    expand: bool = True
    """Twice the channels at every coarser map."""

    def __post_init__(self) -> None:
        require(self.level in (0, 1, 2), "projector.level", "must be 0, 1 or 2")
        require(8 <= self.channels <= 512, "projector.channels", "must lie between 8 and 512")


@dataclass(frozen=True, kw_only=True)
class HeadsConfig:
    """The trained heads of the discriminator."""

    kind: HeadKind = "plain"
    """Plain 4x4 convolutions, or separable ones (15 times fewer parameters)."""
    count: int = 4
    """Heads used, finest map first."""

    def __post_init__(self) -> None:
        if self.kind not in ("plain", "separable"):
            raise choose_from("kind of heads", self.kind, ("plain", "separable"))
        require(1 <= self.count <= 4, "heads.count", "must lie between 1 and 4")
