"""Tiny runs in many shapes: trained without a stop, stopped and resumed, compared to the bit."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from projgan import storage
from projgan.errors import CheckpointError, StoppedBySignal
from projgan.training.history import read_history
from projgan.training.state import TrainingState
from projgan.workflows.train import resume, train
from projgan.workflows.watch import Watch
from tiny import pixels_options, tiny_options

BATCH = 4
STEPS = 10
IMAGES = STEPS * BATCH
TIMES = ("images_per_s", "elapsed_s", "memory_mb")
"""What a resumed run need not repeat."""


class StopAt(Watch):
    """Sends this process a signal during the given step."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.step_to_stop, self.number = step, number

    def step(self, state: TrainingState) -> None:
        if state.step == self.step_to_stop:
            os.kill(os.getpid(), self.number)


def options(**changes: str) -> dict[str, str]:
    """Of a run of ten steps."""
    return tiny_options(training__images=str(IMAGES), training__log_every="12", **changes)


def pixels(name: str, **changes: str) -> dict[str, str]:
    """The same with a discriminator that is trained from pixels."""
    changes = {"training__images": str(IMAGES), "training__log_every": "12"} | changes
    return pixels_options(name, **changes)


CONFIGS = {
    "shared": options(),
    "alternating": options(training__step="alternating", training__micro_batch="2"),
    "noisy": options(generator__name="fastgan", data__mirror="true"),
    "adaptive": options(
        augment__policy="translation,flip",
        augment__adaptive="color,cutout",
        augment__controller="balance",
        augment__kimg="0.1",
    ),
    "bf16": options(training__precision="bf16"),
    "styles": options(generator__name="stylegan2"),
    "fastgan": pixels("fastgan", training__micro_batch="2"),
    "stylegan2": pixels("stylegan2", discriminator__r1_every="3"),
    "stylegan2-alternating": pixels(
        "stylegan2",
        training__step="alternating",
        training__precision="bf16",
        discriminator__r1_every="2",
        augment__policy="translation",
        augment__adaptive="color",
        augment__controller="ada",
        augment__kimg="0.1",
    ),
    "clear": options(data__resolution="64x96", data__mode="rgba", data__mirror="true"),
}
Straight = Callable[[str], Path]


def straight_runs(pictures: Path, root: Path) -> Straight:
    """The run folder of a config that never stopped; trained once, when it is asked for."""
    done: dict[str, Path] = {}

    def get(name: str) -> Path:
        if name not in done:
            done[name] = train(pictures, out=root / name, options=CONFIGS[name]).run
        return done[name]

    return get


def newest_of(run: Path) -> Path:
    """The newest checkpoint by its name."""
    return max((run / "checkpoints").glob("step-*"))


def last_tensors(run: Path) -> dict[str, torch.Tensor]:
    """Every tensor of the last checkpoint of a finished run."""
    newest = newest_of(run)
    assert newest.name == f"step-{STEPS:08d}"
    return {
        f"{file.stem}/{key}": value
        for file in sorted(newest.glob("*.safetensors"))
        for key, value in load_file(file).items()
    }


def differing(one: Path, other: Path) -> list[str]:
    """Names of tensors that differ between two finished runs."""
    first, second = last_tensors(one), last_tensors(other)
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


def unlike(one: Path, other: Path) -> list[str]:
    """What differs between two finished runs: tensors, lines of history, pictures of samples."""
    if newest_of(other).name != newest_of(one).name:
        return [f"it ends with {newest_of(other).name}"]
    try:
        storage.verify_folder(newest_of(other))
    except CheckpointError as error:
        return [f"its last checkpoint: {error.what}"]
    complaints = [f"{key} differs" for key in differing(one, other)[:3]]
    if lines_of(one) != lines_of(other):
        complaints.append("the history differs")
    for picture in sorted((one / "samples").iterdir()):
        twin = other / "samples" / picture.name
        if not twin.is_file() or twin.read_bytes() != picture.read_bytes():
            complaints.append(f"samples/{picture.name} differs")
    return complaints


def lines_of(run: Path) -> list[dict[str, Any]]:
    """The history without times."""
    return [
        {key: value for key, value in row.items() if key not in TIMES}
        for row in read_history(run / "history.jsonl")
    ]


def stop_and_resume(pictures: Path, run: Path, config: str, *steps: int) -> None:
    """Train, stop during each of the steps, and resume to the end."""
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS[config], watch=StopAt(steps[0]))
    for step in steps[1:]:
        with pytest.raises(StoppedBySignal):
            resume(run, watch=StopAt(step))
    resume(run)
