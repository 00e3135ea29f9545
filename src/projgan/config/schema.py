"""The settings of a run: one frozen dataclass a component, each field with its unit.

Each section checks its own fields; `RunConfig` checks what lies between them. Words such as
"reference" in a preset are settled by `config.load.resolve` before a run starts, and what was
settled is what gets saved. No torch here: the command line reads this module.
"""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass, field
from typing import Literal

from projgan.errors import UsageError, choose_from

SCHEMA_VERSION = 1

RESOLUTIONS = (32, 64, 128, 256, 512, 1024)
DEFAULT_WEIGHTS, RANDOM_WEIGHTS = "default", "random"  # words in place of a file
REFERENCE_POLICY = ("color", "translation", "cutout")
AUGMENTATIONS = (*REFERENCE_POLICY, "flip", "rotate90", "rotation", "scale")

Fit = Literal["crop", "pad", "squash"]
HeadKind = Literal["plain", "separable"]
StepMode = Literal["alternating", "shared"]
ControllerName = Literal["none", "balance", "ada"]
Precision = Literal["auto", "fp32", "bf16"]


def _require(condition: bool, name: str, problem: str) -> None:
    if not condition:
        raise UsageError(problem, where=f"setting {name}")


@dataclass(frozen=True, kw_only=True)
class DataConfig:
    """Which pictures, and how they become squares."""

    path: str = ""
    """Folder, zip or prepared set."""
    resolution: int = 256
    """Side of the pictures in pixels: a power of two from 32 to 1024."""
    fit: Fit = "crop"
    """How a rectangle becomes a square: centre crop, pad with the background, or squash."""
    background: str = "#ffffff"
    """Colour (#rrggbb) under transparent pictures and around padded ones."""
    mirror: bool = False
    """Also show every picture mirrored, as if the set were twice as large."""
    dedupe: bool = False
    """Keep one of each group of exactly equal files."""
    max_bad: float = 0.01
    """Share (0 to 1) of unusable pictures above which preparing fails."""

    def __post_init__(self) -> None:
        if self.resolution not in RESOLUTIONS:
            nearest = min(RESOLUTIONS, key=lambda r: abs(math.log(r / max(self.resolution, 1))))
            raise UsageError(
                f"resolution {self.resolution} is not one of {', '.join(map(str, RESOLUTIONS))}",
                where="setting data.resolution",
                next_command=f"use --resolution {nearest}",
            )
        if self.fit not in ("crop", "pad", "squash"):
            raise choose_from("fit", self.fit, ("crop", "pad", "squash"))
        is_colour = len(self.background) == 7 and self.background[0] == "#"
        is_colour = is_colour and all(c in "0123456789abcdefABCDEF" for c in self.background[1:])
        _require(
            is_colour, "data.background", f"{self.background!r} is not a colour such as #ffffff"
        )
        _require(0.0 <= self.max_bad <= 1.0, "data.max_bad", "must lie between 0 and 1")


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
        _require(8 <= self.z_dim <= 4096, "generator.z_dim", "must lie between 8 and 4096")
        _require(8 <= self.width <= 512, "generator.width", "must lie between 8 and 512")


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
        _require(all(n.strip() for n in names), "features.name", "a name between commas is missing")
        if self.input_size != "reference":
            for size in self.sizes:
                in_range = 128 <= size <= 1024 and size % 32 == 0
                problem = "must be a multiple of 32 from 128 to 1024"
                _require(in_range, "features.input_size", problem)
            fits = len(self.sizes) in (1, len(names))
            _require(fits, "features.input_size", f"must be one number, or {len(names)}")
        if self.weights:
            fits = len(self.weights) == len(names)
            problem = f"must be {len(names)}, one for each network"
            _require(fits, "features.weights", problem)
            are_random = {word == RANDOM_WEIGHTS for word in self.weights} == {not self.pretrained}
            problem = "random weights are to be had by features.pretrained=false alone"
            _require(are_random, "features.weights", problem)

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
        _require(self.level in (0, 1, 2), "projector.level", "must be 0, 1 or 2")
        _require(8 <= self.channels <= 512, "projector.channels", "must lie between 8 and 512")


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
        _require(1 <= self.count <= 4, "heads.count", "must lie between 1 and 4")


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """Differentiable augmentation before the discriminator."""

    policy: tuple[str, ...] = REFERENCE_POLICY
    """Operations that every picture gets, in order: color, translation, cutout, flip, rotate90,
    rotation, scale. Empty: none."""
    adaptive: tuple[str, ...] = ()
    """Operations that each picture gets with probability p, after those of the policy."""
    controller: ControllerName = "none"
    """What moves p: none; balance (until reals and fakes lose the same); ada (until the reals' mean
    sign is `target`)."""
    p: float = 0.5
    """Where p starts, or stays without a controller: 0 to 1."""
    kimg: float = 100.0
    """Thousand images in which a controller could move p from 0 to 1."""
    target: float = 0.6
    """Mean sign of the reals' logits that ada aims at, -1 to 1."""

    def __post_init__(self) -> None:
        for name in (*self.policy, *self.adaptive):
            if name not in AUGMENTATIONS:
                raise choose_from("augmentation", name, AUGMENTATIONS)
        if self.controller not in ("none", "balance", "ada"):
            raise choose_from("controller", self.controller, ("none", "balance", "ada"))
        twice = sorted(set(self.policy) & set(self.adaptive))
        _require(not twice, "augment.adaptive", f"{', '.join(twice)} is in the policy already")
        needs = self.controller == "none" or bool(self.adaptive)
        _require(needs, "augment.controller", "has nothing to steer: augment.adaptive is empty")
        _require(0.0 <= self.p <= 1.0, "augment.p", "must lie between 0 and 1")
        _require(self.kimg > 0, "augment.kimg", "must be above 0")
        _require(-1.0 < self.target < 1.0, "augment.target", "must lie between -1 and 1")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam for both networks."""

    lr_g: float = 2e-4
    """Learning rate of the generator."""
    lr_d: float = 2e-4
    """Learning rate of the heads."""
    beta1: float = 0.0
    beta2_g: float = 0.99
    beta2_d: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("lr_g", "lr_d", "eps"):
            value = getattr(self, name)
            _require(0.0 < value < 1.0, f"optimizer.{name}", "must lie between 0 and 1")
        for name in ("beta1", "beta2_g", "beta2_d"):
            value = getattr(self, name)
            _require(0.0 <= value < 1.0, f"optimizer.{name}", "must be at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The loop: how long, how large a batch, what is written when; counted in images seen."""

    images: int = 400_000
    """Length of the run in images seen by the discriminator."""
    batch: int = 8
    """Images of one step."""
    micro_batch: int = 0
    """Images held at once; 0 means the whole batch. Smaller ones accumulate gradients."""
    accumulate: Literal["mean", "sum"] = "mean"
    """How gradients of micro-batches join; "sum" is the reference's way."""
    step: StepMode = "shared"
    """alternating: new fakes for the discriminator (the reference); shared: one set for both
    updates."""
    precision: Precision = "auto"
    """Arithmetic of convolutions: fp32, bf16, or auto for bf16 where the device is fast at it.
    Parameters, normalisation, losses and optimisers are fp32 always."""
    ema_half_life_kimg: float = 0.0
    """Half-life of the averaged generator in thousand images; 0 means the reference's batch * 10 /
    32."""
    ema_rampup: float = 0.05
    """The half-life is at most this share of the images seen so far; 0 switches the ramp-up off."""
    seed: int = 0
    device: str = "auto"
    """auto, cpu, cuda, cuda:N or mps."""
    threads: int = 0
    """CPU threads; 0 means all cores."""
    log_every: int = 1_000
    """Images between lines of history.jsonl."""
    sample_every: int = 10_000
    """Images between sample grids (and charts)."""
    snapshot_every: int = 50_000
    """Images between kept generators."""
    checkpoint_every: int = 20_000
    """Images between checkpoints for resume."""
    keep_snapshots: int = 10
    """Newest snapshots kept; 0 keeps all."""
    keep_checkpoints: int = 2
    """Newest verified checkpoints kept; at least 2."""
    grid_size: int = 36
    """Pictures in a sample grid."""

    def __post_init__(self) -> None:
        for name in (
            "images",
            "batch",
            "log_every",
            "sample_every",
            "snapshot_every",
            "checkpoint_every",
        ):
            _require(getattr(self, name) >= 1, f"training.{name}", "must be at least 1")
        _require(self.batch >= 2, "training.batch", "must be at least 2 (batch normalisation)")
        if self.micro_batch:
            fits = self.batch % self.micro_batch == 0 and self.micro_batch >= 2
            _require(fits, "training.micro_batch", "must be at least 2 and divide training.batch")
        for name, known in (
            ("step", ("alternating", "shared")),
            ("precision", ("auto", "fp32", "bf16")),
            ("accumulate", ("mean", "sum")),
        ):
            if getattr(self, name) not in known:
                raise choose_from(f"training.{name}", getattr(self, name), known)
        _require(
            self.ema_half_life_kimg >= 0, "training.ema_half_life_kimg", "must not be negative"
        )
        _require(0.0 <= self.ema_rampup <= 1.0, "training.ema_rampup", "must lie between 0 and 1")
        _require(self.keep_snapshots >= 0, "training.keep_snapshots", "must not be negative")
        _require(self.keep_checkpoints >= 2, "training.keep_checkpoints", "must be at least 2")
        _require(1 <= self.grid_size <= 1024, "training.grid_size", "must lie between 1 and 1024")
        _require(self.threads >= 0, "training.threads", "must not be negative")


@dataclass(frozen=True, kw_only=True)
class RunConfig:
    """Everything that a run is made of; saved in its folder, where it alone rebuilds the run."""

    schema_version: int = SCHEMA_VERSION
    preset: str = ""
    """Name of the preset that this config started from."""
    data: DataConfig = field(default_factory=DataConfig)
    generator: GeneratorConfig = field(default_factory=GeneratorConfig)
    features: FeaturesConfig = field(default_factory=FeaturesConfig)
    projector: ProjectorConfig = field(default_factory=ProjectorConfig)
    heads: HeadsConfig = field(default_factory=HeadsConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    training: TrainingConfig = field(default_factory=TrainingConfig)

    def __post_init__(self) -> None:
        if self.schema_version != SCHEMA_VERSION:
            raise UsageError(
                f"config has schema version {self.schema_version}; "
                f"this projgan reads {SCHEMA_VERSION}",
                where="setting schema_version",
            )

    def to_dict(self) -> dict[str, object]:
        """Plain JSON values, section by section."""
        return dataclasses.asdict(self)
