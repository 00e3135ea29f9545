"""A run that starts from what another one learned: finding it, and taking its weights over.

Weights go over part by part; a part is a module with its own tensors, such as one convolution. It
is taken whole, where all its names and shapes agree, or not at all. Optimisers, counters and random
streams start anew. No code of the source is needed, only its tensors.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn

from projgan import storage
from projgan.config.networks import GeneratorConfig
from projgan.config.schema import RunConfig
from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.errors import CheckpointError, UsageError
from projgan.rundir import RunDir
from projgan.snapshot import find_snapshot, read_about, read_weights
from projgan.tensors import read_tensors
from projgan.training.checkpoint import find_latest, is_checkpoint, open_checkpoint
from projgan.training.state import TrainingState

_DRAWN = re.compile(r"(others\.\d+\.)?(projector|features\.tokens)\.")
"""Names of frozen tensors that a seed decides; other frozen ones are those of a known network."""


@dataclass(frozen=True)
class Source:
    """A verified checkpoint or snapshot to start from."""

    folder: Path
    digest: str
    """SHA-256 of its manifest, which holds those of all its files."""
    config: RunConfig
    images_seen: int
    is_checkpoint: bool


@dataclass(frozen=True)
class Taken:
    """How much of a network came from the source."""

    count: int = 0
    fresh: tuple[str, ...] = ()
    """Parts of this run's network that keep their fresh weights."""
    unused: tuple[str, ...] = ()
    """Parts of the source that have no place here."""


@dataclass(frozen=True)
class Transfer:
    """What came of starting from a source."""

    source: Source
    generator: Taken
    discriminator: Taken
    note: str
    """Why the discriminator is as it is."""

    def sentences(self, config: RunConfig) -> list[str]:
        """For the user of a run: what was taken over, and the first names of what was not."""
        judge = f"discriminator: {self.note}"
        if self.discriminator.count:
            judge = f"discriminator, {self.note}: {_amount(self.discriminator)}"
        sentences = [
            f"starting from {self.source.folder} (after {self.source.images_seen:,} images)",
            f"generator: {_amount(self.generator)}",
            judge,
        ]
        mine, theirs = config.generator, self.source.config.generator
        if self.generator.fresh and mine != theirs:
            sentences.append(f"the generator of the source has another form: {_form(theirs)}")
        return sentences


def open_source(path: Path, digest: str = "") -> Source:
    """The newest checkpoint of a run, or its newest snapshot where it has none; or one of either.

    Args:
        digest: what the source's digest must be, if given.
    Raises: UsageError: there is nothing of the kind. CheckpointError: it is damaged, or another.
    """
    if not path.is_dir():
        raise UsageError(
            "there is no such folder",
            where=str(path),
            next_command="--from runs/NAME, or the folder of one of its checkpoints or snapshots",
        )
    checkpoint = open_checkpoint(path) if is_checkpoint(path) else None
    if checkpoint is None:
        checkpoint, _ = find_latest(RunDir(path).checkpoints)
    if checkpoint is not None:
        folder, config = checkpoint.folder, checkpoint.config
        images_seen = int(checkpoint.counters["images_seen"])
    else:
        folder = find_snapshot(path)
        config, images_seen = read_about(folder)
    found = storage.digest_of(folder)
    if digest and digest != found:
        raise CheckpointError(
            "this is not what the run started from: it has another digest",
            where=str(folder),
            next_command="name the right one: --set transfer.source=FOLDER",
        )
    return Source(folder.resolve(), found, config, images_seen, checkpoint is not None)


def take_over(state: TrainingState, source: Source) -> Transfer:
    """Fill a fresh `state` with what fits.

    From a checkpoint whose generator agrees in every part come the generator, its average and the
    discriminator, which belong together. Otherwise both generators start from the average. Heads
    need the same feature networks; the projection that they learned behind comes along.

    Raises: CheckpointError: nothing fits.
    """
    average = (
        _read(source, "generator_ema") if source.is_checkpoint else read_weights(source.folder)
    )
    taken = merge(state.generator_ema, average)
    is_whole = source.is_checkpoint and not taken.fresh and not taken.unused
    merge(state.generator, _read(source, "generator") if is_whole else average)
    judge, note = Taken(), "fresh, since a snapshot holds none"
    if source.is_checkpoint:
        judge, note = _take_discriminator(state, source)
    if not taken.count and not judge.count:
        raise CheckpointError(
            "nothing of it fits this run's networks",
            where=str(source.folder),
            next_command=f"take the form of its generator: {_form(source.config.generator)}",
        )
    return Transfer(source, taken, judge, note)


@torch.no_grad()
def merge(module: nn.Module, saved: Mapping[str, Tensor]) -> Taken:
    """Copy into `module` every part of `saved` whose names and shapes all agree."""
    mine, theirs = _parts(module.state_dict(keep_vars=True)), _parts(saved)
    count, fresh = 0, []
    for name, tensors in mine.items():
        other = theirs.pop(name, {})
        shapes = [{key: t.shape for key, t in part.items()} for part in (tensors, other)]
        if shapes[0] != shapes[1]:
            fresh.append(name)
            continue
        count += 1
        for key, tensor in tensors.items():
            tensor.copy_(other[key])
    return Taken(count, tuple(fresh), tuple(theirs))


def _take_discriminator(state: TrainingState, source: Source) -> tuple[Taken, str]:
    """What learns of it, and the projection of a projected one, if it is of the source's kind."""
    saved = _read(source, "discriminator")
    is_projected = isinstance(state.discriminator, ProjectedDiscriminator)
    prefix = "heads." if is_projected else ""
    learner = {key.removeprefix(prefix): t for key, t in saved.items() if key.startswith(prefix)}
    drawn: list[tuple[Tensor, Tensor]] = []
    if is_projected:
        frozen = {key: t for key, t in saved.items() if not key.startswith(prefix)}
        problem, drawn = _compare_views(state, source, frozen)
        if problem:
            return Taken(), f"fresh, since {problem}"
    elif source.config.discriminator.is_projected:
        return Taken(), "fresh, since the source has heads on projected features"
    taken = merge(state.discriminator.learner, learner)
    if not taken.count:
        return taken, "fresh, since that of the source has another form"
    if not is_projected:
        return taken, "trained from pixels"
    is_own = all(torch.equal(mine.cpu(), theirs) for mine, theirs in drawn)
    for mine, theirs in drawn:
        mine.copy_(theirs)
    return taken, f"with the {'same projection' if is_own else 'projection of the source'}"


def _compare_views(
    state: TrainingState, source: Source, frozen: Mapping[str, Tensor]
) -> tuple[str, list[tuple[Tensor, Tensor]]]:
    """Why heads of the source know nothing here, or the pairs of tensors that a seed drew."""
    state_dict = state.discriminator.state_dict()
    mine = {key: t for key, t in state_dict.items() if not key.startswith("heads.")}
    shapes = [{key: t.shape for key, t in tensors.items()} for tensors in (mine, frozen)]
    if shapes[0] != shapes[1]:
        look = f"{source.config.features.name}, level {source.config.projector.level}"
        if not source.config.discriminator.is_projected:
            look = "pixels"
        return f"that of the source looks another way (through {look})", []
    known = [key for key in mine if not _DRAWN.match(key)]
    if not all(_is_close(mine[key], frozen[key]) for key in known):
        return "the feature network of the source has other weights", []
    return "", [(mine[key], frozen[key]) for key in mine if _DRAWN.match(key)]


def _parts(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    """Tensors by the module that they belong to; those of the whole network have a part each."""
    parts: dict[str, dict[str, Tensor]] = {}
    for key, tensor in tensors.items():
        owner = key.rpartition(".")[0] or key
        parts.setdefault(owner, {})[key] = tensor
    return parts


def _is_close(one: Tensor, other: Tensor) -> bool:
    """Equal but for rounding, which folding norms on another machine may change."""
    return torch.allclose(one.cpu().float(), other.float(), rtol=1e-3, atol=1e-5)


def _read(source: Source, name: str) -> dict[str, Tensor]:
    return read_tensors(source.folder / f"{name}.safetensors")


def _amount(taken: Taken) -> str:
    """In words: how many parts were taken over, and which were not."""
    total = taken.count + len(taken.fresh)
    text = f"{taken.count} of {total} parts taken over"
    if taken.fresh:
        text += f"; fresh: {first_names(taken.fresh)}"
    if taken.unused:
        text += f"; without a place here: {first_names(taken.unused)}"
    return text


def first_names(names: tuple[str, ...] | list[str], limit: int = 4) -> str:
    """The first few names, and how many more there are."""
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _form(section: GeneratorConfig) -> str:
    return (
        f"--generator {section.name} --set generator.width={section.width} "
        f"--set generator.z_dim={section.z_dim}"
    )
