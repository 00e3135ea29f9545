"""The smallest run that is still a whole one: 32 px, random features, separable heads."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from projgan.build import settle
from projgan.config.load import override
from projgan.config.schema import RunConfig
from projgan.generators.base import Generator, StyleGenerator
from projgan.layers.noise import NoiseInjection

OPTIONS = {
    "data.resolution": "32",
    "generator.z_dim": "16",
    "generator.width": "8",
    "features.pretrained": "false",
    "features.input_size": "128",
    "heads.kind": "separable",
    "training.batch": "4",
    "training.images": "32",
    "training.precision": "fp32",
    "training.device": "cpu",
    "training.threads": "1",
    "training.log_every": "8",
    "training.sample_every": "16",
    "training.snapshot_every": "16",
    "training.checkpoint_every": "8",
    "training.grid_size": "4",
}


def tiny_options(**changes: str) -> dict[str, str]:
    """OPTIONS with changes such as `training__step="alternating"`."""
    return OPTIONS | {key.replace("__", "."): value for key, value in changes.items()}


def tiny_arguments(**changes: str) -> list[str]:
    """The same for a command line."""
    pairs = tiny_options(**changes).items()
    return [word for key, value in pairs for word in ("--set", f"{key}={value}")]


def tiny_config(**changes: str) -> RunConfig:
    """The same as a settled config."""
    return settle(override(RunConfig(), tiny_options(**changes)))


def pixels_options(name: str, **changes: str) -> dict[str, str]:
    """The options of a run with a discriminator that is trained from pixels."""
    pixels = {"discriminator.name": name, "discriminator.width": "4"}
    return {
        key: value
        for key, value in tiny_options(**changes).items()
        if key.partition(".")[0] not in ("features", "heads")
    } | pixels


def pixels_config(name: str, **changes: str) -> RunConfig:
    """The same as a settled config."""
    return settle(override(RunConfig(), pixels_options(name, **changes)))


def with_training(config: RunConfig, **fields: object) -> RunConfig:
    return dataclasses.replace(config, training=dataclasses.replace(config.training, **fields))


def reals(count: int = 4, *, resolution: int = 32, seed: int = 0) -> torch.Tensor:
    """(count, 3, R, R) uint8 noise, channels-last."""
    pixels = np.random.default_rng(seed).integers(
        0, 256, (count, resolution, resolution, 3), dtype=np.uint8
    )
    return torch.from_numpy(pixels).permute(0, 3, 1, 2)


def write_pictures(folder: Path, count: int = 6, *, size: int = 32) -> Path:
    """`count` pictures of noise."""
    folder.mkdir(parents=True, exist_ok=True)
    for index, picture in enumerate(reals(count, resolution=size)):
        Image.fromarray(picture.permute(1, 2, 0).numpy()).save(folder / f"{index:03d}.png")
    return folder


def make_loud(generator: Generator) -> Generator:
    """As after some training: noise is heard, and the mean style is not 0."""
    stream = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for module in generator.modules():
            if isinstance(module, NoiseInjection):
                module.weight.fill_(0.3)
        if isinstance(generator, StyleGenerator):
            generator.w_avg.normal_(generator=stream)
    return generator
