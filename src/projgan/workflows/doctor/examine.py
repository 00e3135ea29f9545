"""Which examination a path asks for."""

from __future__ import annotations

from pathlib import Path

from projgan.errors import UsageError
from projgan.rundir import RunDir
from projgan.workflows.doctor.diagnosis import Diagnosis
from projgan.workflows.doctor.history import examine_run
from projgan.workflows.doctor.machine import examine_machine
from projgan.workflows.doctor.pictures import examine_pictures
from projgan.workflows.doctor.suggestion import Effort
from projgan.workflows.watch import Watch

_PARTS_OF_RUNS = {"snapshot.json": "a snapshot", "state.json": "a checkpoint"}


def is_run(path: Path) -> bool:
    """Whether `path` is the folder of a run, even of a damaged one."""
    run = RunDir(path)
    return run.checkpoints.is_dir() and (run.config.is_file() or run.snapshots.is_dir())


def examine(
    path: str | None,
    *,
    out: Path | None = None,
    overwrite: bool = False,
    effort: Effort | None = None,
    watch: Watch | None = None,
) -> Diagnosis:
    """Examine a set of pictures, a run, or (without a path) the machine.

    Args:
        out, overwrite: for the pictures that show a set; see `examine_pictures`.
    Raises: UsageError: the path is a part of a run. Otherwise as the single examinations.
    """
    watch, effort = watch or Watch(), effort or Effort()
    if path is None:
        return examine_machine(effort=effort, watch=watch)
    for name, what in _PARTS_OF_RUNS.items():
        if path and (Path(path) / name).is_file():
            raise UsageError(
                f"this is {what}, a part of a run",
                where=path,
                next_command=f"projgan doctor {Path(path).resolve().parents[1]}",
            )
    if path and is_run(Path(path)):
        return examine_run(Path(path), watch=watch)
    return examine_pictures(path, out, effort=effort, overwrite=overwrite, watch=watch)
