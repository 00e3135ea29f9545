"""How a run starts from another one: it is found early, its weights go over, that is noted."""

from __future__ import annotations

import dataclasses
from pathlib import Path

from projgan.config.schema import RunConfig
from projgan.rundir import RunDir
from projgan.training.freezing import frozen_names
from projgan.training.history import append_line
from projgan.training.state import TrainingState
from projgan.training.transfer import Source, Transfer, first_names, open_source, take_over
from projgan.workflows.watch import Watch


def find_source(config: RunConfig) -> tuple[RunConfig, Source | None]:
    """The source that a config names, and the config with its folder and digest settled.

    Raises: UsageError: there is none. CheckpointError: it is damaged, or not the one of the digest.
    """
    section = config.transfer
    if not section.source:
        return config, None
    source = open_source(Path(section.source), section.digest)
    settled = dataclasses.replace(section, source=str(source.folder), digest=source.digest)
    return dataclasses.replace(config, transfer=settled), source


def begin_from(
    state: TrainingState, config: RunConfig, source: Source | None, watch: Watch
) -> Transfer | None:
    """Fill a fresh state from the source, if there is one, and say what was taken over.

    Raises: CheckpointError: nothing of it fits.
    """
    frozen = frozen_names(state.generator)
    if source is None:
        if frozen or config.training.freeze_heads:
            watch.note("blocks are frozen that have learned nothing: this run starts from nothing")
        return None
    transfer = take_over(state, source)
    for sentence in transfer.sentences(config):
        watch.note(sentence)
    empty = [name for name in frozen if name.rpartition(".")[0] in transfer.generator.fresh]
    if empty:
        watch.note(f"frozen with fresh weights: {first_names(empty)}")
    return transfer


def note_transfer(run: RunDir, transfer: Transfer) -> None:
    """One event in the history: from what the run started, and what of it was taken over."""
    source, generator, judge = transfer.source, transfer.generator, transfer.discriminator
    line = {
        "event": "transfer",
        "images_seen": 0,
        "source": str(source.folder),
        "digest": source.digest,
        "source_images_seen": source.images_seen,
        "generator_taken": generator.count,
        "generator_fresh": list(generator.fresh),
        "discriminator_taken": judge.count,
        "discriminator_fresh": list(judge.fresh),
        "discriminator": transfer.note,
    }
    append_line(run.history, line)
