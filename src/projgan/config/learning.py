"""Settings of learning: augmentation, optimisers, and the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from projgan.config.checks import require
from projgan.errors import choose_from

REFERENCE_POLICY = ("color", "translation", "cutout")
AUGMENTATIONS = (*REFERENCE_POLICY, "flip", "rotate90", "rotation", "scale")

StepMode = Literal["alternating", "shared"]
ControllerName = Literal["none", "balance", "ada"]
Precision = Literal["auto", "fp32", "bf16"]
Compile = Literal["auto", "on", "off"]


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
        require(not twice, "augment.adaptive", f"{', '.join(twice)} is in the policy already")
        needs = self.controller == "none" or bool(self.adaptive)
        require(needs, "augment.controller", "has nothing to steer: augment.adaptive is empty")
        require(0.0 <= self.p <= 1.0, "augment.p", "must lie between 0 and 1")
        require(self.kimg > 0, "augment.kimg", "must be above 0")
        require(-1.0 < self.target < 1.0, "augment.target", "must lie between -1 and 1")


@dataclass(frozen=True, kw_only=True)
class OptimizerConfig:
    """Adam for both networks."""

    lr_g: float = 2e-4
    """Learning rate of the generator."""
    lr_d: float = 2e-4
    """Learning rate of the discriminator: of the heads, where it is projected."""
    beta1: float = 0.0
    beta2_g: float = 0.99
    beta2_d: float = 0.99
    eps: float = 1e-8

    def __post_init__(self) -> None:
        for name in ("lr_g", "lr_d", "eps"):
            value = getattr(self, name)
            require(0.0 < value < 1.0, f"optimizer.{name}", "must lie between 0 and 1")
        for name in ("beta1", "beta2_g", "beta2_d"):
            value = getattr(self, name)
            require(0.0 <= value < 1.0, f"optimizer.{name}", "must be at least 0 and below 1")


@dataclass(frozen=True, kw_only=True)
class TrainingConfig:
    """The loop: how long, how large a batch, what is written when; counted in images seen."""

    images: int = 400_000
    """Length of the run in images seen by the discriminator."""
    minutes: float = 0.0
    """Length in minutes of training, if that ends first; 0 means no such limit. Saving, sampling
    and measuring do not count."""
    batch: int = 8
    """Images of one step; 0 means as many as fit into memory at once, up to 64."""
    micro_batch: int = 0
    """Images held at once; 0 means the whole batch. Smaller ones accumulate gradients."""
    fit_memory: bool = False
    """Choose `micro_batch` and `recompute` when the run starts, by steps that are tried in the
    memory that is free; the batch stays."""
    recompute: bool = False
    """Keep fewer maps between forward and backward, and compute them again: less memory, more time,
    the same numbers. Networks are not compiled then."""
    accumulate: Literal["mean", "sum"] = "mean"
    """How gradients of micro-batches join; "sum" is the reference's way."""
    step: StepMode = "shared"
    """alternating: new fakes for the discriminator (the reference); shared: one set for both
    updates."""
    precision: Precision = "auto"
    """Arithmetic of convolutions: fp32, bf16, or auto for bf16 where the device is fast at it.
    Parameters, normalisation, losses and optimisers are fp32 always."""
    compile: Compile = "auto"
    """Networks through `torch.compile`: on, off, or auto for on with CUDA. It needs a compiler and
    takes a minute at the start; where it fails, training goes on without it and says so."""
    batch_norm: Literal["local", "sync"] = "local"
    """What batch normalisation sees where several processes share a batch: their own images, or
    those of all (sync), which costs messages in every layer."""
    ema_half_life_kimg: float = 0.0
    """Half-life of the averaged generator in thousand images; 0 means the reference's batch * 10 /
    32."""
    ema_rampup: float = 0.05
    """The half-life is at most this share of the images seen so far; 0 switches the ramp-up off."""
    freeze_heads: int = 0
    """Blocks of every head, from the input on, that keep the weights they start with."""
    freeze_generator: int = 0
    """Blocks of the generator, from the latents on, that keep the weights they start with."""
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
            "log_every",
            "sample_every",
            "snapshot_every",
            "checkpoint_every",
        ):
            require(getattr(self, name) >= 1, f"training.{name}", "must be at least 1")
        fits = self.batch >= 2 or (self.batch == 0 and not self.micro_batch)
        require(fits, "training.batch", "must be at least 2 (batch normalisation), or 0 alone")
        if self.micro_batch:
            fits = self.batch % self.micro_batch == 0 and self.micro_batch >= 2
            require(fits, "training.micro_batch", "must be at least 2 and divide training.batch")
        is_compiled = self.recompute and self.compile == "on"
        require(not is_compiled, "training.recompute", "needs training.compile=off")
        talks = self.recompute and self.batch_norm == "sync"
        require(not talks, "training.recompute", "needs training.batch_norm=local")
        for name, known in (
            ("step", ("alternating", "shared")),
            ("precision", ("auto", "fp32", "bf16")),
            ("compile", ("auto", "on", "off")),
            ("batch_norm", ("local", "sync")),
            ("accumulate", ("mean", "sum")),
        ):
            if getattr(self, name) not in known:
                raise choose_from(f"training.{name}", getattr(self, name), known)
        require(self.minutes >= 0, "training.minutes", "must not be negative")
        require(self.ema_half_life_kimg >= 0, "training.ema_half_life_kimg", "must not be negative")
        require(0.0 <= self.ema_rampup <= 1.0, "training.ema_rampup", "must lie between 0 and 1")
        require(self.keep_snapshots >= 0, "training.keep_snapshots", "must not be negative")
        require(self.keep_checkpoints >= 2, "training.keep_checkpoints", "must be at least 2")
        require(1 <= self.grid_size <= 1024, "training.grid_size", "must lie between 1 and 1024")
        for name in ("threads", "freeze_heads", "freeze_generator"):
            require(getattr(self, name) >= 0, f"training.{name}", "must not be negative")
