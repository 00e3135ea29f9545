"""The batches of a benchmark: the user's pictures, or noise, by the way that training takes."""

from __future__ import annotations

import contextlib
import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from projgan.config.schema import RunConfig
from projgan.config.shapes import CHANNELS, size_of
from projgan.data.batches import Batches
from projgan.data.classes import settle_classes
from projgan.data.dataset import PIXELS_NAME, Meta, PreparedSet, write_meta
from projgan.data.prepare import open_cached
from projgan.data.report import Report
from projgan.data.sampler import Sampler
from projgan.errors import UsageError

NOISE_PICTURES = 256


class Feed:
    """Batch after batch of a set, as the training loop has them; never read ahead, to be timed.

    Args:
        config: settled.
        pictures: of its size and mode.
    """

    def __init__(self, config: RunConfig, pictures: PreparedSet) -> None:
        self.pictures = pictures
        is_conditional = config.data.conditional
        self.labels = pictures.classes_of(range(len(pictures))) if is_conditional else None
        self.at = Batches(
            pictures,
            Sampler(len(pictures), seed=config.training.seed, mirror=config.data.mirror),
            config.training.batch,
            device=torch.device(config.training.device),
            with_classes=is_conditional,
            ahead=False,
        ).at


@contextlib.contextmanager
def pictures_for(config: RunConfig) -> Iterator[tuple[RunConfig, PreparedSet]]:
    """The pictures at `config.data.path`, prepared, and the config with their classes.

    Without a path it is noise, which is gone afterwards.

    Raises: UsageError: classes are asked for, and noise has none. DataError: as `open_cached`.
    """
    if config.data.path:
        pictures = open_cached(config.data)
        yield dataclasses.replace(config, data=settle_classes(config.data, pictures)), pictures
        return
    if config.data.conditional:
        raise UsageError(
            "noise has no classes",
            where="setting data.conditional",
            next_command="projgan bench FOLDER --set data.conditional=true",
        )
    with tempfile.TemporaryDirectory(prefix="projgan-bench-") as folder:
        yield config, write_noise(Path(folder), config)


def write_noise(folder: Path, config: RunConfig, count: int = NOISE_PICTURES) -> PreparedSet:
    """A prepared set of so many pictures of noise, of the config's size and mode."""
    section = config.data
    shape = (*size_of(section.resolution), CHANNELS[section.mode])
    stream = np.random.default_rng(0)
    with (folder / PIXELS_NAME).open("wb") as file:
        for _ in range(count):
            file.write(stream.bytes(int(np.prod(shape))))
    names = [f"{index:06d}" for index in range(count)]
    meta = Meta(
        resolution=section.resolution,
        fit=section.fit,
        background=section.background,
        rules_version=1,
        names=names,
        hashes=["0" * 64] * count,
        labels=None,
        class_names=None,
        mode=section.mode,
    )
    write_meta(folder, meta, Report(found=count, used=count))
    return PreparedSet.open(folder)
