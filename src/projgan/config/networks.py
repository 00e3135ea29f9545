"""Settings of the networks: generator, feature network, projection, heads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from projgan.config.checks import require
from projgan.errors import choose_from

DEFAULT_WEIGHTS, RANDOM_WEIGHTS = "default", "random"  # words in place of a file

HeadKind = Literal["plain", "separable"]
DiscriminatorName = Literal["projected", "fastgan", "stylegan2"]


@dataclass(frozen=True, kw_only=True)
class GeneratorConfig:
    """Which generator, and how large."""

    name: str = "fastgan-lite"
    """A registered generator, or `module:Name` for one in a module of your own."""
    z_dim: int = 256
    """Length of a latent."""
    width: int = 64
    """Channels at 128 px (ngf); every other layer scales with it."""

    def __post_init__(self) -> None:
        require(8 <= self.z_dim <= 4096, "generator.z_dim", "must lie between 8 and 4096")
        require(8 <= self.width <= 512, "generator.width", "must lie between 8 and 512")


@dataclass(frozen=True, kw_only=True)
class DiscriminatorConfig:
    """Which discriminator; the losses follow from it.

    `projected`: hinge. `fastgan`: hinge, and reals are reconstructed. `stylegan2`: non-saturating
    logistic, with R1. The other two are trained from pixels: the sections features, projector and
    heads are for `projected` alone, and all settings below but the name for the others.
    """

    name: DiscriminatorName = "projected"
    """projected (heads on frozen features), fastgan or stylegan2 (both trained from pixels)."""
    width: int = 0
    """Channels at 128 px of one trained from pixels; every other layer scales with it. 0 means
    as many as the generator has for stylegan2, and half of that for fastgan, as in its paper."""
    reconstruction: float = 1.0
    """Weight of fastgan's reconstruction of reals; 0: none."""
    r1_gamma: float = 0.0
    """Weight of stylegan2's R1 penalty; 0 means 0.0002 * pixels / batch."""
    r1_every: int = 16
    """Steps from one R1 penalty of stylegan2 to the next, which is so many times as strong; 0:
    none."""

    def __post_init__(self) -> None:
        if self.name not in LOSSES:
            raise choose_from("discriminator", self.name, tuple(LOSSES))
        in_range = self.width == 0 or 4 <= self.width <= 512
        require(in_range, "discriminator.width", "must be 0, or lie between 4 and 512")
        for name in ("reconstruction", "r1_gamma", "r1_every"):
            require(getattr(self, name) >= 0, f"discriminator.{name}", "must not be negative")

    @property
    def is_projected(self) -> bool:
        """Whether it looks through frozen features."""
        return self.name == "projected"

    @property
    def loss(self) -> str:
        """The kind of adversarial loss: hinge or logistic."""
        return LOSSES[self.name]

    @property
    def penalty_every(self) -> int:
        """Steps from one update by a penalty to the next; 0 where there is none."""
        return self.r1_every if self.name == "stylegan2" else 0

    @property
    def description(self) -> str:
        """Name, size and loss of one that is trained from pixels, in words."""
        r1 = f" and R1 (gamma {self.r1_gamma:g})" if self.penalty_every else ""
        return (
            f"discriminator {self.name} of width {self.width}, trained from pixels, "
            f"{self.loss} loss{r1}"
        )


LOSSES: dict[str, str] = {"projected": "hinge", "fastgan": "hinge", "stylegan2": "logistic"}
"""Adversarial loss by discriminator."""
WIDTH_SHARES = {"fastgan": 0.5, "stylegan2": 1.0}
"""What a width of 0 means, as a share of the generator's."""
GAMMA_PER_PIXEL = 2e-4
"""Times pixels, over the batch: the usual gamma of R1 (StyleGAN2-ADA, Karras et al., 2020)."""


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

    Of pictures that are not square it is the shorter side. The word "reference" means 224 for
    smaller pictures and no resize for others; networks that see one size only, such as
    transformers, see a square of that.
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
