"""Presets: whole configs with a name and a reason. A test parses and builds each of them."""

from __future__ import annotations

import dataclasses

from projgan.config.learning import OptimizerConfig, StepMode, TrainingConfig
from projgan.config.networks import (
    DiscriminatorConfig,
    DiscriminatorName,
    FeaturesConfig,
    GeneratorConfig,
    HeadsConfig,
)
from projgan.config.pictures import DataConfig
from projgan.config.preset import Preset
from projgan.config.recipes import RECIPES
from projgan.config.schema import RunConfig
from projgan.config.watching import MetricsConfig
from projgan.errors import choose_from

# The reference prepares its discriminator for a regularisation every 16 steps that then does
# nothing; what remains of it is this odd learning rate and this odd beta2.
_LAZY = 16 / 17

_REFERENCE_OPTIMIZER = OptimizerConfig(lr_d=2e-4 * _LAZY, beta2_d=0.99**_LAZY)
# Its StyleGAN2 learns ten times as fast: weights with an equalised learning rate want that.
_REFERENCE_STYLEGAN2_OPTIMIZER = OptimizerConfig(lr_g=2e-3, lr_d=2e-3 * _LAZY, beta2_d=0.99**_LAZY)
# The reference's backbone has seen one grey picture in training mode, which moved its batch
# statistics.
_REFERENCE_FEATURES = FeaturesConfig(name="lite0-reference")

_REFERENCE_TRAINING = TrainingConfig(
    images=25_000_000,
    batch=64,
    # Its README trains with 64 images on 8 devices, and batch statistics are those of 8 images.
    micro_batch=8,
    # On one device that holds 8 images at once, its gradients are added, not averaged.
    accumulate="sum",
    step="alternating",
    precision="fp32",
    log_every=4_000,
    sample_every=200_000,
    snapshot_every=200_000,
    checkpoint_every=200_000,
)

# Ours, for short runs on a CPU: a small generator, larger steps, and light heads.
_QUICK_GENERATOR = GeneratorConfig(z_dim=128, width=32)
_QUICK_OPTIMIZER = OptimizerConfig(lr_g=1e-3, lr_d=5e-4)

# Measured as often as samples are drawn.
_MEASURED = MetricsConfig(every=10_000)

# Discriminators trained from pixels, to compare the projected one with: each learns as in its own
# paper, but for the learning rate of the generator, which is not the one of StyleGAN2's paper.
_PIXELS: dict[DiscriminatorName, tuple[OptimizerConfig, StepMode]] = {
    "fastgan": (OptimizerConfig(beta1=0.5, beta2_g=0.999, beta2_d=0.999), "shared"),
    "stylegan2": (OptimizerConfig(lr_g=1e-3, lr_d=2e-3), "alternating"),
}


_OURS = {
    "demo": Preset(
        summary="64 px in a few minutes on two CPU cores, for the drawn set",
        config=RunConfig(
            preset="demo",
            data=DataConfig(resolution=64),
            generator=_QUICK_GENERATOR,
            features=FeaturesConfig(input_size=192),  # nine logits a head; at 128 px one
            heads=HeadsConfig(kind="separable"),
            optimizer=_QUICK_OPTIMIZER,
            training=TrainingConfig(
                images=10_000,
                batch=16,  # with 8, the distance falls more slowly
                log_every=400,
                sample_every=2_000,
                snapshot_every=5_000,
                checkpoint_every=5_000,
            ),
        ),
    ),
    "few-shot-64": Preset(
        summary="100 to a few thousand pictures at 64 px, with settings that a CPU can carry",
        config=RunConfig(
            preset="few-shot-64",
            data=DataConfig(resolution=64),
            generator=_QUICK_GENERATOR,
            features=FeaturesConfig(input_size=128),
            heads=HeadsConfig(kind="separable"),
            optimizer=_QUICK_OPTIMIZER,
            training=TrainingConfig(images=100_000, batch=8, checkpoint_every=5_000),
            metrics=_MEASURED,
        ),
    ),
    "few-shot-128": Preset(
        summary="100 to a few thousand pictures at 128 px (the length of the article's first run)",
        config=RunConfig(
            preset="few-shot-128",
            data=DataConfig(resolution=128),
            training=TrainingConfig(images=600_000, batch=8),
            metrics=_MEASURED,
        ),
    ),
    "few-shot-256": Preset(
        summary="100 to a few thousand pictures at 256 px (the length of the article's second run)",
        config=RunConfig(
            preset="few-shot-256",
            data=DataConfig(resolution=256),
            training=TrainingConfig(images=1_200_000, batch=8),
            metrics=_MEASURED,
        ),
    ),
}


def _from_pixels(base: str, name: DiscriminatorName) -> Preset:
    """A preset with another discriminator, one that is trained from pixels, to compare with."""
    projected = _OURS[base].config
    optimizer, step = _PIXELS[name]
    return Preset(
        summary=f"{base} with the discriminator {name}, trained from pixels, to compare with",
        config=dataclasses.replace(
            projected,
            preset=f"pixels-{name}-{projected.data.resolution}",
            discriminator=DiscriminatorConfig(name=name),
            optimizer=optimizer,
            # These sections belong to the projected discriminator alone.
            features=FeaturesConfig(),
            heads=HeadsConfig(),
            training=dataclasses.replace(projected.training, step=step),
        ),
    )


_FROM_PIXELS = [
    _from_pixels(base, name) for base in ("few-shot-64", "few-shot-256") for name in _PIXELS
]

PRESETS: dict[str, Preset] = {
    **_OURS,
    **{preset.config.preset: preset for preset in _FROM_PIXELS},
    "reference-fastgan": Preset(
        summary="the reference's settings with FastGAN, its oddities included (large sets, GPUs)",
        config=RunConfig(
            preset="reference-fastgan",
            generator=GeneratorConfig(name="fastgan", width=128),
            features=_REFERENCE_FEATURES,
            optimizer=_REFERENCE_OPTIMIZER,
            training=_REFERENCE_TRAINING,
        ),
    ),
    "reference-fastgan-lite": Preset(
        summary="the same with FastGAN-lite (small sets, GPUs)",
        config=RunConfig(
            preset="reference-fastgan-lite",
            generator=GeneratorConfig(name="fastgan-lite", width=128),
            features=_REFERENCE_FEATURES,
            optimizer=_REFERENCE_OPTIMIZER,
            training=_REFERENCE_TRAINING,
        ),
    ),
    "reference-stylegan2": Preset(
        summary="the same with StyleGAN2 and separable heads (large sets, GPUs)",
        config=RunConfig(
            preset="reference-stylegan2",
            generator=GeneratorConfig(name="stylegan2", z_dim=64, width=256),
            features=_REFERENCE_FEATURES,
            heads=HeadsConfig(kind="separable"),
            optimizer=_REFERENCE_STYLEGAN2_OPTIMIZER,
            training=_REFERENCE_TRAINING,
        ),
    ),
    **RECIPES,
}

DEFAULT_PRESET = "few-shot-256"


def preset_config(name: str) -> RunConfig:
    """The config of a preset; an unknown name lists the known ones."""
    if name not in PRESETS:
        raise choose_from("preset", name, tuple(PRESETS))
    return PRESETS[name].config
