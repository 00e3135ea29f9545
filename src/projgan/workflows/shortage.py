"""When memory is not enough, or the device fails: a smaller start, or a clean end.

In the first steps of a sitting little is lost: it begins again with half the pictures at once, and
the batch stays what it is. Later a run ends with the command that goes on. A step that broke off
may have updated one network and not the other, so its state is never saved: the newest checkpoint
counts.
"""

from __future__ import annotations

import contextlib
import dataclasses
import gc
from collections.abc import Iterator

import torch

from projgan import storage
from projgan.config.load import to_json
from projgan.config.schema import RunConfig
from projgan.errors import (
    CheckpointError,
    ResourceError,
    first_line,
    is_device_lost,
    is_out_of_memory,
)
from projgan.generators.plugin import is_outside
from projgan.rundir import RunDir
from projgan.training.checkpoint import Checkpoint, find_latest, restore
from projgan.training.history import append_line
from projgan.training.state import TrainingState, new_state
from projgan.workflows.watch import Watch

FIRST_STEPS = 2
"""Steps of a sitting after which no more memory is needed than before: optimisers make their
moments at the end of the first."""
EVENT = "micro-batch"


def next_smaller(micro_batch: int, batch: int) -> int:
    """The largest part of at most half that the batch divides into; 0 if there is none."""
    sizes = range(micro_batch // 2, 1, -1)
    return next((size for size in sizes if batch % size == 0), 0)


def with_micro_batch(config: RunConfig, micro_batch: int) -> RunConfig:
    """The config with so many pictures held at once."""
    training = dataclasses.replace(config.training, micro_batch=micro_batch)
    return dataclasses.replace(config, training=training)


def note_micro_batch(run: RunDir, images_seen: int, before: int, now: int) -> None:
    """One event in the history: from here on parts have another size.

    Lines above it with more images do not count.
    """
    details = {"images_seen": images_seen, "before": before, "micro_batch": now}
    append_line(run.history, {"event": EVENT, **details})


def say_micro_batch(run: RunDir, checkpoint: Checkpoint, config: RunConfig, watch: Watch) -> None:
    """Tell and note it if a resume goes on with parts of another size than the checkpoint's."""
    before, now = checkpoint.config.training.micro_batch, config.training.micro_batch
    if before == now:
        return
    watch.note(
        f"{now} pictures at once instead of {before} (training.micro_batch): batch statistics see "
        "as many, so from here on the run is not the one that it would have been"
    )
    note_micro_batch(run, checkpoint.counters["images_seen"], before, now)


def begin_again(state: TrainingState, config: RunConfig, run: RunDir) -> None:
    """Fill `state` as it was when the sitting began: from the newest checkpoint, or from the seed.

    Old and new networks are never held together. The config is saved in the run folder.
    """
    vars(state).clear()
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
    vars(state).update(vars(new_state(config)))
    checkpoint, _ = find_latest(run.checkpoints)
    if checkpoint is not None:
        restore(checkpoint, state)
    storage.write_text(run.config, to_json(config))


@contextlib.contextmanager
def device_faults(run: RunDir, config: RunConfig, state: TrainingState) -> Iterator[None]:
    """Turn errors of memory and device into ours, with what is safe and how to go on.

    Raises: ResourceError.
    """
    try:
        yield
    except (RuntimeError, MemoryError) as error:
        if not (is_out_of_memory(error) or is_device_lost(error)):
            raise
        # Of the state only plain numbers are read: the device may answer no more.
        seen = int(vars(state).get("images_seen", 0))
        if is_out_of_memory(error):
            raise _not_enough(run, config, seen) from error
        raise ResourceError(
            f"the device {config.training.device} failed after {seen:,} images: "
            f"{first_line(error)}",
            where=str(run.root),
            safe=_newest(run),
            next_command=f"{_resume(run, config)}    (restart the machine if it fails again, or "
            "--device cpu)",
        ) from error


def _not_enough(run: RunDir, config: RunConfig, images_seen: int) -> ResourceError:
    training = config.training
    smaller = next_smaller(training.micro_batch, training.batch)
    recompute = "" if training.recompute else "--set training.recompute=true"
    if smaller:
        next_command = f"{_resume(run, config)} --set training.micro_batch={smaller}"
        next_command += f"    (or, slower, {recompute})" if recompute else ""
    elif recompute:
        next_command = f"{_resume(run, config)} {recompute}"
    else:
        next_command = (
            f"projgan train {config.data.path} --out NEW, with a smaller --resolution, "
            "generator.width or features.input_size"
        )
    return ResourceError(
        f"the memory of {training.device} is not enough after {images_seen:,} images, with "
        f"{training.micro_batch} pictures at once",
        where=str(run.root),
        safe=_newest(run),
        next_command=next_command,
    )


def _newest(run: RunDir) -> str:
    """The checkpoint that a resume goes on from, in words."""
    try:
        checkpoint, _ = find_latest(run.checkpoints)
    except CheckpointError:
        return "samples and snapshots; no checkpoint is whole"
    if checkpoint is None:
        return "nothing was trained yet: a resume begins with the first image"
    return f"{checkpoint.folder} ({checkpoint.counters['images_seen']:,} images)"


def _resume(run: RunDir, config: RunConfig) -> str:
    flag = " --allow-code" if is_outside(config.generator.name) else ""
    return f"projgan resume {run.root}{flag}"
