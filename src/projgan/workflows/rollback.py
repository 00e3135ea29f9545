"""Back from a collapse: to the best checkpoint, with other latents and stronger augmentation."""

from __future__ import annotations

from projgan import storage
from projgan.errors import CheckpointError
from projgan.rundir import RunDir
from projgan.snapshot import numbered
from projgan.training.checkpoint import (
    Checkpoint,
    find_best,
    find_latest,
    forget_after,
    restore,
)
from projgan.training.health import FALLEN
from projgan.training.state import TrainingState
from projgan.workflows.recorder import Recorder

_P_PER_ROLLBACK = 0.25
_MOST_P = 0.75
"""Above it, what augmentation does shows in the samples."""


def find_way_back(run: RunDir, state: TrainingState, recorder: Recorder) -> Checkpoint | None:
    """The checkpoint to go back to: the best one, or else the newest; None if there is to be none.

    A best one from further on, left by a run that was resumed from before it, does not count; nor
    does the newest if its lines say that it had fallen already.
    """
    section = recorder.config.health
    if section.on_collapse != "rollback" or state.rollbacks >= section.rollbacks:
        return None
    best = find_best(run.checkpoints)
    if best is not None and best.counters["images_seen"] <= state.images_seen:
        return best
    if recorder.journal.state in FALLEN:
        return None
    try:
        return find_latest(run.checkpoints)[0]
    except CheckpointError:
        return None


def roll_back(
    run: RunDir, state: TrainingState, checkpoint: Checkpoint, recorder: Recorder, *, reason: str
) -> None:
    """Make `state` that of the checkpoint, but with the next rollback's latents and augmentation.

    The order keeps a crash harmless: until the later checkpoints are gone, the newest is one from
    after the fall, and with the lines of the fall it leads to the same rollback again. Only then
    does the history drop those lines.
    """
    fallen_at, count = state.images_seen, state.rollbacks + 1
    restore(checkpoint, state)
    state.rollbacks = count
    for optimizer in (state.optimizer_g, state.optimizer_d):
        optimizer.zero_grad(set_to_none=True)  # of the update that was not applied
    is_adaptive = bool(recorder.config.augment.adaptive)
    least = min(_P_PER_ROLLBACK * count, _MOST_P)
    state.controller.p = max(state.controller.p, least) if is_adaptive else least
    for folder in numbered(run.snapshots):
        if int(folder.name) > state.images_seen:
            storage.remove_folder(folder)
    recorder.save(state, anew=True)
    forget_after(run.checkpoints, state.step)
    recorder.journal.event(
        "rollback",
        state.images_seen,
        {
            "fallen_at": fallen_at,
            "reason": reason,
            "number": count,
            "augment_p": state.controller.p,
        },
    )
    recorder.go_on(state)
