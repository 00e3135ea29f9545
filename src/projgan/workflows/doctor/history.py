"""`projgan doctor RUN`: what state a run is in, what is damaged, and what to do next."""

from __future__ import annotations

import json
import shlex
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from projgan import storage
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.errors import CheckpointError, ProjganError
from projgan.generators.plugin import is_outside
from projgan.rundir import RunDir
from projgan.snapshot import read_about
from projgan.training.checkpoint import Checkpoint, open_checkpoint
from projgan.training.health import ADVICE, LEARNING
from projgan.training.history import read_history
from projgan.workflows.doctor.diagnosis import Diagnosis
from projgan.workflows.doctor.source import say_pictures
from projgan.workflows.watch import Watch

BAD_RUN = CheckpointError.exit_code
_SLOW = 0.5
"""A stretch below this share of the median speed is a drop."""
_LEFTOVER = ".writing-*"
_SHOWN = 3
_DISTANCES = ("kid_lite1", "fd_lite1")
_LOSSES = ("loss_g", "loss_d", "sign_real", "sign_fake")


@dataclass(frozen=True)
class Remains:
    """What is on disk of a run.

    Attributes:
        holder: the process that trains it now; None if there is none.
        whole, damaged: checkpoints, oldest first, and what is wrong with those that are damaged.
        rows: the history.
        leftovers: folders of writes that were cut short.
    """

    run: RunDir
    config: RunConfig
    holder: str | None
    whole: list[Checkpoint]
    damaged: dict[str, str]
    rows: list[dict[str, Any]]
    leftovers: list[str]

    @property
    def saved(self) -> int:
        """Images seen by the newest whole checkpoint."""
        return int(self.whole[-1].counters["images_seen"]) if self.whole else 0

    @property
    def seen(self) -> int:
        """Images seen at the last line of the history, or by that checkpoint."""
        return max([self.saved, *(int(row["images_seen"]) for row in self.rows[-1:])])

    @property
    def state(self) -> str:
        """Its name: running, finished, crashed, stopped or new."""
        training = self.config.training
        if self.holder is not None:
            return "running"
        if self.whole:
            seconds = float(self.whole[-1].counters["elapsed_s"])
            if self.saved >= training.images or 0 < training.minutes * 60 <= seconds:
                return "finished"
        if self.leftovers or self.seen > self.saved or (self.damaged and not self.whole):
            return "crashed"
        return "stopped" if self.whole else "new"


def examine_run(path: Path, *, watch: Watch | None = None) -> Diagnosis:
    """Look at a run folder; nothing in it is touched, and a training in it is not disturbed.

    Raises: CheckpointError: its config cannot be read.
    """
    watch = watch or Watch()
    diagnosis = Diagnosis("run", facts={"path": str(path)})
    remains = _read(RunDir(path), watch)
    _say_state(diagnosis, remains)
    _say_progress(diagnosis, remains)
    _say_health(diagnosis, remains)
    _say_damage(diagnosis, remains)
    snapshots = _say_snapshots(diagnosis, remains)
    _say_disk(diagnosis, remains)
    pictures = say_pictures(
        diagnosis, remains.config, remains.whole[-1] if remains.whole else None, watch
    )
    diagnosis.next_command = _next(remains, pictures, has_snapshot=bool(snapshots))
    return diagnosis


def _read(run: RunDir, watch: Watch) -> Remains:
    holder = run.holder()
    config = _config(run)
    folders = sorted(
        (p for p in run.checkpoints.glob("step-*") if p.name[5:].isdigit()),
        key=lambda p: int(p.name[5:]),
    )
    whole, damaged = [], {}
    kept = [one for one in (run.checkpoints / "best",) if one.is_dir()]  # beside the newest
    for number, folder in enumerate([*folders, *kept]):
        try:
            opened = open_checkpoint(folder)
            whole += [] if folder in kept else [opened]
        except (CheckpointError, OSError) as error:
            if folder.exists():  # else a running training has just removed it
                damaged[folder.name] = getattr(error, "what", str(error))
        watch.progress("verifying checkpoints", number + 1, len(folders) + len(kept))
    parents = (run.checkpoints, run.snapshots)
    leftovers = [found.name for parent in parents for found in parent.glob(_LEFTOVER)]
    rows = read_history(run.history)
    return Remains(run, config, holder, whole, damaged, rows, [] if holder else leftovers)


def _config(run: RunDir) -> RunConfig:
    try:
        return from_dict(json.loads(run.config.read_text(encoding="utf-8")))
    except (OSError, ValueError, ProjganError) as error:
        copies = sorted(run.checkpoints.glob("step-*/config.json"))
        help_ = f"cp {copies[-1]} {run.config}    (each checkpoint has a copy)" if copies else ""
        raise CheckpointError(
            f"the config of this run cannot be read: {str(error).splitlines()[0]}",
            where=str(run.config),
            safe="its snapshots and samples",
            next_command=help_,
        ) from error


def _say_state(diagnosis: Diagnosis, remains: Remains) -> None:
    state, lost = remains.state, remains.seen - remains.saved
    words = {
        "running": f"running: {remains.holder} is training it",
        "finished": "finished",
        "stopped": "stopped; nothing is lost",
        "new": "not begun: there is neither a checkpoint nor a line of history",
        "crashed": "ended without a whole save (crash, kill or damage): "
        f"{lost:,} images after the newest whole checkpoint have to be learned again",
    }
    diagnosis.say("state", words[state])
    if remains.run.history.is_file():
        age = time.time() - remains.run.history.stat().st_mtime
        diagnosis.say("last line", f"of the history was written {_ago(age)} ago")
        if state == "running" and age > 10 * _interval_s(remains):
            diagnosis.advise(
                "no line was written for over ten times as long as usual: it may hang, or the "
                "machine was suspended"
            )
    if remains.leftovers:
        diagnosis.say("unfinished", f"{len(remains.leftovers)} writes; resuming removes them")
    diagnosis.facts |= {"state": state, "holder": remains.holder, "images_lost": lost}


def _say_progress(diagnosis: Diagnosis, remains: Remains) -> None:
    training, rows = remains.config.training, remains.rows
    share = remains.seen / training.images
    text = f"{remains.seen:,} of {training.images:,} images ({share:.1%})"
    elapsed = next((float(row["elapsed_s"]) for row in reversed(rows) if "elapsed_s" in row), 0.0)
    if training.minutes:
        text += f"; {elapsed / 60:.1f} of at most {training.minutes:g} minutes"
    diagnosis.say("progress", f"{text}, after {elapsed / 60:.1f} minutes of steps")
    speeds = np.array([float(row["images_per_s"]) for row in rows if "images_per_s" in row])
    if len(speeds):
        middle = float(np.median(speeds))
        slow = [row for row in rows if row.get("images_per_s", middle) < _SLOW * middle]
        diagnosis.say(
            "speed",
            f"{middle:.3g} images/s at the median of {len(speeds)} lines, {speeds[-1]:.3g} in the "
            f"last; left at that median: {_left(remains, elapsed, middle)}",
        )
        if slow:
            places = ", ".join(f"{int(row['images_seen']):,}" for row in slow[:_SHOWN])
            diagnosis.advise(
                f"{len(slow)} of {len(speeds)} lines are slower than half the median (at {places} "
                "images): something else used the machine, or its memory was short"
            )
        diagnosis.facts["images_per_s"] = middle
        diagnosis.facts["slow_lines"] = len(slow)
    diagnosis.facts |= {
        "images_seen": remains.seen,
        "images_saved": remains.saved,
        "images": training.images,
        "elapsed_s": elapsed,
    }


def _say_health(diagnosis: Diagnosis, remains: Remains) -> None:
    """The last figures, and the state that the training gave itself, if it did."""
    last: dict[str, Any] = {}
    for row in remains.rows:
        last |= row
    figures = [f"{n} {last[n]:.4g}" for n in (*_LOSSES, *_DISTANCES) if n in last]
    if figures:
        diagnosis.say("last figures", ", ".join(figures))
    if isinstance(last.get("state"), str):
        diagnosis.say("health", last["state"])
        if last["state"] != LEARNING and last["state"] in ADVICE:
            diagnosis.advise(ADVICE[last["state"]])
    diagnosis.facts["last"] = last


def _say_damage(diagnosis: Diagnosis, remains: Remains) -> None:
    for name, problem in remains.damaged.items():
        diagnosis.fault(f"checkpoint {name} is damaged: {problem}", BAD_RUN)
    steps = ", ".join(one.folder.name for one in remains.whole) or "none"
    diagnosis.say("checkpoints", f"{len(remains.whole)} verified: {steps}")
    if remains.whole:
        before, now = remains.whole[-1].counters.get("torch"), torch.__version__
        if before != now:
            diagnosis.advise(
                f"the checkpoint was written with torch {before}, this is {now}: a resumed run "
                "goes on, but not bit for bit"
            )
    diagnosis.facts |= {
        "checkpoints": [one.folder.name for one in remains.whole],
        "damaged": dict(remains.damaged),
    }


def _say_snapshots(diagnosis: Diagnosis, remains: Remains) -> list[str]:
    """Names of whole snapshots; says which one was the best."""
    whole: dict[str, int] = {}
    folders = sorted(p for p in remains.run.snapshots.glob("*") if p.is_dir() and p.name[0] != ".")
    for folder in folders:
        try:
            whole[folder.name] = read_about(folder)[1]
        except (CheckpointError, OSError) as error:
            if folder.exists():
                what = getattr(error, "what", str(error))
                diagnosis.fault(f"snapshot {folder.name} is damaged: {what}", BAD_RUN)
    newest = f", newest {max(whole, key=lambda name: whole[name])}" if whole else ""
    diagnosis.say("snapshots", f"{len(whole)} verified{newest}")
    best = _best(remains.rows, whole)
    if best:
        diagnosis.say("best", best[1])
    diagnosis.facts |= {"snapshots": list(whole), "best": best[0] if best else None}
    return list(whole)


def _best(rows: list[dict[str, Any]], whole: dict[str, int]) -> tuple[str, str] | None:
    """The snapshot with the smallest distance that was measured where it was taken."""
    for name in _DISTANCES:
        at = {int(row["images_seen"]): float(row[name]) for row in rows if name in row}
        found = {one: at[seen] for one, seen in whole.items() if seen in at}
        if found:
            best = min(found, key=lambda one: found[one])
            return best, f"snapshot {best}: {name} {found[best]:.4g}, of {len(found)} measured"
    return None


def _say_disk(diagnosis: Diagnosis, remains: Remains) -> None:
    run = remains.run
    sizes = {
        folder.name: storage.folder_bytes(folder)
        for folder in (run.checkpoints, run.snapshots, run.samples)
    }
    total = storage.folder_bytes(run.root)
    parts = ", ".join(f"{name} {size / 1e6:,.1f}" for name, size in sizes.items())
    diagnosis.say("disk", f"{total / 1e6:,.1f} MB ({parts})")
    diagnosis.facts["disk_bytes"] = total


def _next(remains: Remains, pictures: str, *, has_snapshot: bool) -> str:
    """The command that helps most."""
    root, config = shlex.quote(str(remains.run.root)), remains.config
    flag = " --allow-code" if is_outside(config.generator.name) else ""
    sample = f"projgan sample {root} --seeds 0-63 --grid{flag}"
    if remains.state == "running":
        return f"{sample}    (it goes on meanwhile)" if has_snapshot else ""
    if remains.damaged and not remains.whole:
        return sample if has_snapshot else _anew(remains)
    if remains.state == "finished":
        return sample if has_snapshot else f"projgan resume {root} --images 2M{flag}"
    if pictures == "gone":
        return f"projgan resume {root} --set data.path=NEW_PLACE{flag}"
    if pictures == "changed":
        return f"projgan resume {root} --accept-data-change{flag}    (or restore the pictures)"
    return f"projgan resume {root}{flag}"


def _anew(remains: Remains) -> str:
    config = shlex.quote(str(remains.run.config))
    return f"projgan train {shlex.quote(remains.config.data.path)} --config {config} --out NEW"


def _interval_s(remains: Remains) -> float:
    """Seconds between lines, by the last two."""
    times = [float(row["elapsed_s"]) for row in remains.rows if "images_per_s" in row][-2:]
    return max(times[-1] - times[0], 1.0) if len(times) == 2 else 600.0


def _left(remains: Remains, elapsed: float, speed: float) -> str:
    training = remains.config.training
    seconds = max(training.images - remains.seen, 0) / max(speed, 1e-9)
    if training.minutes:
        seconds = min(seconds, max(training.minutes * 60 - elapsed, 0))
    return _ago(seconds)


def _ago(seconds: float) -> str:
    if seconds < 120:
        return f"{max(seconds, 0):.0f} seconds"
    return f"{seconds / 60:.0f} minutes" if seconds < 7200 else f"{seconds / 3600:.1f} hours"
