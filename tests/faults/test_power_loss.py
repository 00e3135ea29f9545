"""G2: after a power failure at any moment a complete checkpoint is there, the announced one or a
newer one.

The disk is a model (`faults.power`): this proves the order of syncs, not the honesty of a disk.
"""

from __future__ import annotations

import contextlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import torch

from faults.disk import Disk, watched
from faults.power import Event, events_of, lay_out, survivors
from faults.score import Score, caught_by, size, stream
from faults.small_state import CONFIG, save, small_state
from projgan import storage
from projgan.config.load import to_json
from projgan.errors import CheckpointError
from projgan.rundir import RunDir
from projgan.tensors import read_tensors
from projgan.training.checkpoint import find_best, find_latest, forget_after, prune
from projgan.training.history import append_line, read_history

pytestmark = pytest.mark.faults
KEEP = 2


class _Writer:
    """What a run does to its folder, with the real code and small states."""

    def __init__(self, run: RunDir, disk: Disk) -> None:
        self.run, self.disk = run, disk

    def line(self, step: int) -> None:
        append_line(self.run.history, {"images_seen": step * 4, "step": step})

    def save(self, step: int, *, anew: bool = False) -> None:
        self.run.secure_history()
        save(self.run.checkpoints, step, anew=anew)
        self.disk.say(f"latest {step}")
        if not anew:  # as in Recorder.save
            prune(self.run.checkpoints, KEEP)

    def best(self, step: int) -> None:
        self.run.secure_history()
        save(self.run.checkpoints, step, as_best=True)
        self.disk.say(f"best {step}")


def _life(parent: Path, disk: Disk, writer: type[_Writer] = _Writer) -> None:
    """A run that saves five times, has two best ones, and goes back to step 3 once."""
    run = RunDir(parent / "runs" / "photos")
    run.create()
    storage.write_text(run.config, to_json(CONFIG))
    write = writer(run, disk)
    for step in range(1, 6):
        write.line(step)
        write.save(step)
        if step in (2, 4):
            write.best(step)
    disk.say("back 3")  # begins to go back: until it is announced, later ones are as good
    write.save(3, anew=True)
    forget_after(run.checkpoints, 3)
    disk.say("gone 3")
    write.line(4)
    write.save(4)


@dataclass
class _Promise:
    """What was announced by some moment, and so must be there."""

    latest: set[int] = field(default_factory=set)
    """Steps any of which will do; none: nothing was announced."""
    best: int = 0
    lines: int = 0


def _promise(events: Sequence[Event]) -> _Promise:
    promise, is_going_back = _Promise(), False
    for event in events:
        if event.kind != "said":
            continue
        word, _, number = event.name.partition(" ")
        step = int(number)
        if word == "latest":
            if not is_going_back:
                promise.latest = set(range(step, 9))
            promise.lines = step
        elif word == "best":
            promise.best = step
        elif word == "back":
            is_going_back = True
            promise.latest |= set(range(step, 9))
        elif word == "gone":
            is_going_back, promise.latest = False, {step, step + 1}
    return promise


def _complaints(parent: Path, promise: _Promise) -> list[str]:
    """What is not as it must be in a run folder after the power failed, and after a restart."""
    run, complaints = RunDir(parent / "runs" / "photos"), []
    if not promise.latest:
        return []
    if not run.config.is_file() or run.config.read_text() != to_json(CONFIG):
        complaints.append("config.json is not whole")
    try:
        latest, _ = find_latest(run.checkpoints)
    except CheckpointError as error:
        return [*complaints, error.what]
    if latest is None:
        return [*complaints, "no checkpoint is there"]
    step = latest.counters["step"]
    if step not in promise.latest:
        complaints.append(f"step {step} is the newest, and {sorted(promise.latest)} was announced")
    expected = small_state(step).generator.state_dict()
    found = read_tensors(latest.folder / "generator.safetensors")
    if not all(torch.equal(found[name], value) for name, value in expected.items()):
        complaints.append(f"step {step} holds the weights of another step")
    steps = [row["step"] for row in read_history(run.history)]
    if not set(range(1, promise.lines + 1)) <= set(steps):
        complaints.append(f"the history has {steps}, and {promise.lines} was announced")
    for turn in ("before", "after"):
        best = find_best(run.checkpoints)
        if promise.best and (best is None or best.counters["step"] < promise.best):
            complaints.append(f"the best one is gone {turn} the restart")
        storage.sweep(run.checkpoints)
        storage.finish_replacement(run.best_checkpoint)
    if run.checkpoints.is_dir() and [p.name for p in run.checkpoints.glob(".*")]:
        complaints.append("something is left over after the restart")
    return complaints


def _record(folder: Path, writer: type[_Writer] = _Writer) -> list[Event]:
    folder.mkdir()
    with watched(folder) as disk:
        _life(folder, disk, writer)
    return events_of(disk.operations, disk.root)


def _replay(
    events: list[Event], folder: Path, count: int, seed: str
) -> Iterator[tuple[str, list[str]]]:
    """`count` failures: at which event, and what was wrong then."""
    rng = stream(seed)
    for _ in range(count):
        end = rng.randrange(len(events) + 1)
        state = folder / "state"
        state.mkdir(parents=True)
        lay_out(survivors(events[:end], rng), events, state)
        yield f"power failed after event {end}", _complaints(state, _promise(events[:end]))
        shutil.rmtree(state)


def test_every_state_after_a_power_failure_is_whole(tmp_path: Path, score: Score) -> None:
    """G2 power loss."""
    events = _record(tmp_path / "recorded")
    kinds = [event.kind for event in events]
    assert kinds.count("sync") > 80 and kinds.count("move") > 15, "the disk was not watched"
    for name, complaints in _replay(events, tmp_path / "replayed", size(2000, 150), "power"):
        score.case(name, complaints)
    score.remark("in-process recorder, modelled disk")


def _no_sync_of(kind: str) -> Callable[[pytest.MonkeyPatch], None]:
    """A storage that forgets to sync files, or names in folders."""

    def apply(patch: pytest.MonkeyPatch) -> None:
        right = storage.fsync

        def fsync(path: Path) -> None:
            if path.is_dir() != (kind == "folders"):
                right(path)

        patch.setattr(storage, "fsync", fsync)

    return apply


def _no_sync_of_parents(patch: pytest.MonkeyPatch) -> None:
    right = storage.fsync
    patch.setattr(storage, "fsync", lambda path: path.name == "checkpoints" or right(path))


def _in_place(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint is written under its own name."""

    def write_folder(target: Path, write_files: Any, *, bytes_needed: int = 0) -> None:
        target.mkdir(parents=True)
        write_files(target)
        storage._seal(target)

    patch.setattr(storage, "write_folder", write_folder)


def _delete_first(patch: pytest.MonkeyPatch) -> None:
    """The best one goes before its successor is there."""

    def replace_folder(target: Path, write_files: Any, *, bytes_needed: int = 0) -> None:
        if target.exists():
            storage.remove_folder(target)
        storage.write_folder(target, write_files, bytes_needed=bytes_needed)

    patch.setattr(storage, "replace_folder", replace_folder)


def _rename_first(patch: pytest.MonkeyPatch) -> None:
    """A checkpoint gets its name before its content is safe."""
    right = storage._seal

    def seal(folder: Path) -> None:
        with pytest.MonkeyPatch.context() as inner:
            inner.setattr(storage, "fsync", lambda path: None)
            right(folder)

    patch.setattr(storage, "_seal", seal)


def _removed_in_place(patch: pytest.MonkeyPatch) -> None:
    """What is removed keeps its name meanwhile, and nothing says that it went."""
    patch.setattr(storage, "remove_folder", shutil.rmtree)


def _history_not_synced(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(RunDir, "secure_history", lambda run: None)


MUTANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "no fsync of files": _no_sync_of("files"),
    "no fsync of folders": _no_sync_of("folders"),
    "no fsync after the rename": _no_sync_of_parents,
    "in-place write": _in_place,
    "delete first": _delete_first,
    "rename before the content is safe": _rename_first,
    "removal under its own name": _removed_in_place,
    "no fsync of the history": _history_not_synced,
}


@pytest.mark.parametrize("name", MUTANTS)
def test_mutants_lose_something(
    tmp_path: Path, name: str, record_property: Callable[[str, object], None]
) -> None:
    """A storage with one mistake is caught by the same replay."""
    with pytest.MonkeyPatch.context() as patch:
        MUTANTS[name](patch)
        events = _record(tmp_path / "recorded")
    replayed = _replay(events, tmp_path / "replayed", size(2000, 600), f"power {name}")
    with contextlib.closing(replayed):
        assert any(complaints for _, complaints in replayed), "not caught"
    caught_by(name, record_property, "G2 power loss")


def test_the_model_keeps_what_is_synced_and_may_lose_the_rest(tmp_path: Path) -> None:
    """Teeth of the model itself: one synced file and one that is not."""
    root = tmp_path / "root"
    root.mkdir()
    with watched(root) as disk:
        for name in ("safe", "unsafe"):
            with (root / name).open("w") as handle:
                handle.write(name)
                handle.flush()
                if name == "safe":
                    os.fsync(handle.fileno())
            if name == "safe":
                storage.fsync(root)
    events = events_of(disk.operations, disk.root)
    seen = set()
    for seed in range(60):
        state = tmp_path / f"state-{seed}"
        state.mkdir()
        lay_out(survivors(events, stream(str(seed))), events, state)
        assert (state / "safe").read_text() == "safe"
        seen.add((state / "unsafe").read_text() if (state / "unsafe").exists() else None)
    assert {None, "", "unsafe"} <= seen
