"""Room on the disk: what a run could do without, named first and removed only when told to.

Kept are the newest checkpoints and snapshots whose every file was verified, whatever is newer than
they are, the best ones, and everything that is not known here. Only folders that hold exactly what
projgan wrote into them are removed, the oldest first, each out of its name before it goes: a crash
leaves a run that resumes, and the next pruning removes what is left.
"""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path

from projgan import storage
from projgan.errors import BusyError, CheckpointError, UsageError
from projgan.rundir import RunDir
from projgan.snapshot import numbered
from projgan.training.checkpoint import numbered_checkpoints
from projgan.workflows.listing import find_runs, is_run
from projgan.workflows.watch import Watch

LEAST_CHECKPOINTS = 2
LEAST_SNAPSHOTS = 1


@dataclass(frozen=True)
class Keep:
    """How many of the newest stay.

    Raises: UsageError: fewer than is safe.
    """

    checkpoints: int = LEAST_CHECKPOINTS
    snapshots: int = LEAST_SNAPSHOTS

    def __post_init__(self) -> None:
        for name, value, least in (
            ("--keep-checkpoints", self.checkpoints, LEAST_CHECKPOINTS),
            ("--keep-snapshots", self.snapshots, LEAST_SNAPSHOTS),
        ):
            if value < least:
                raise UsageError(f"at least {least} must be kept", where=f"option {name}")


@dataclass
class Pruning:
    """What goes from one run, in the order in which it goes.

    Attributes:
        leftovers: folders of saves and removals that were cut short.
        folders: snapshots, then checkpoints.
        notes: sentences about what stays although it might have gone.
        busy: who trains in the run, which is then left alone; else empty.
    """

    run: Path
    leftovers: list[Path] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    busy: str = ""
    num_bytes: int = 0


def prune(
    path: Path, keep: Keep, *, remove: bool = False, watch: Watch | None = None
) -> list[Pruning]:
    """What the run `path`, or each run below the folder `path`, can do without.

    Args:
        remove: remove it, too.
    Raises: BusyError: a process trains in the run that `path` is. UsageError: there is no run.
    """
    watch = watch or Watch()
    if path.is_dir() and is_run(path):
        return [_prune(path, keep, remove, watch)]
    done = []
    for folder in find_runs(path):
        try:
            done.append(_prune(folder, keep, remove, watch))
        except BusyError as error:
            done.append(Pruning(folder, busy=error.what))
    if not done:
        raise UsageError("there is no run here", where=str(path), next_command="projgan runs")
    return done


def _prune(folder: Path, keep: Keep, remove: bool, watch: Watch) -> Pruning:
    run = RunDir(folder)
    if not remove:
        run.refuse_if_held()
        return _plan(run, keep, watch)
    with run.locked():  # planned inside, so that nothing comes between
        pruning = _plan(run, keep, watch)
        for leftover in pruning.leftovers:
            shutil.rmtree(leftover, ignore_errors=True)
        for old in pruning.folders:
            storage.remove_folder(old)
    return pruning


def _plan(run: RunDir, keep: Keep, watch: Watch) -> Pruning:
    pruning = Pruning(run.root)
    for parent in (run.checkpoints, run.snapshots):
        if not parent.is_symlink():
            pruning.leftovers += storage.leftovers(parent)
    snapshots = numbered(run.snapshots)[::-1]
    checkpoints = numbered_checkpoints(run.checkpoints, newest_first=True)
    pruning.folders = [
        *_spare(snapshots, keep.snapshots, "snapshots", pruning.notes, watch),
        *_spare(checkpoints, keep.checkpoints, "checkpoints", pruning.notes, watch),
    ]
    going = (*pruning.leftovers, *pruning.folders)
    pruning.num_bytes = sum(storage.folder_bytes(folder) for folder in going)
    return pruning


def _spare(
    newest_first: list[Path], keep: int, what: str, notes: list[str], watch: Watch
) -> list[Path]:
    """Folders older than the `keep` newest whole ones, the oldest first."""
    whole = 0
    for place, folder in enumerate(newest_first):
        if whole == keep:
            older = newest_first[place:]
            ours = [one for one in older if _is_ours(one)]
            if len(ours) < len(older):
                notes.append(f"{len(older) - len(ours)} {what} with other files in them are kept")
            return ours[::-1]
        watch.progress(f"verifying {what}", place + 1, min(len(newest_first), keep))
        try:
            storage.verify_folder(folder)
            whole += 1
        except (CheckpointError, OSError):
            notes.append(f"{folder.parent.name}/{folder.name} is damaged; it is kept")
    return []


def _is_ours(folder: Path) -> bool:
    """Whether this is a folder with nothing but the files that its manifest names."""
    if folder.is_symlink() or folder.parent.is_symlink():
        return False
    try:
        names = storage.manifest_of(folder).keys() | {storage.MANIFEST}
        return all(
            path.name in names and path.is_file() and not path.is_symlink()
            for path in folder.iterdir()
        )
    except (CheckpointError, OSError):
        return False
