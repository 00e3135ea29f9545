"""How fast this machine trains, and in how much memory: some real steps in a process of their own.

The process is a child, so that its peak memory is that of a training and nothing else, and so that
a machine that runs out of memory loses only the child.
"""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from projgan import storage
from projgan.build import make_augment
from projgan.config.load import from_dict, to_json
from projgan.config.schema import RunConfig
from projgan.rng import torch_stream
from projgan.training.device import prepare_device
from projgan.training.state import new_state
from projgan.training.step import TrainStep

_START_S = 240.0
"""How long starting may take, before the first step."""
_STEPS_MOST = 200
_TASK, _ANSWER = "config.json", "steps.json"


@dataclass(frozen=True)
class Trial:
    """What some steps took.

    Attributes:
        steps_s: seconds of each timed step. The first step, which also sets things up, is not among
            them unless it was the only one.
        batch: images of a step.
        memory_mb: peak of the device: resident on the CPU, allocated on CUDA.
        is_first: whether the only step was the first one, which sets things up.
        problem: why there is no figure; empty if there is.
    """

    steps_s: tuple[float, ...]
    batch: int
    memory_mb: float
    is_first: bool = False
    problem: str = ""

    @property
    def images_per_s(self) -> float:
        """Over all timed steps."""
        return self.batch * len(self.steps_s) / sum(self.steps_s)

    def hours(self, images: int) -> tuple[float, float]:
        """Shortest and longest time for so many images.

        As if all steps were like the fastest, or the slowest, fifth of the timed ones.
        """
        ordered = sorted(self.steps_s)
        fifth = max(1, len(ordered) // 5)
        ends = (sum(ordered[:fifth]) / fifth, sum(ordered[-fifth:]) / fifth)
        return tuple(images / self.batch * one / 3600 for one in ends)  # type: ignore[return-value]


def try_steps(config: RunConfig, seconds: float) -> Trial:
    """Take steps of a settled, unconditional config for about `seconds`.

    Pictures are noise: what a step costs does not depend on what they show.
    """
    batch = config.training.batch
    with tempfile.TemporaryDirectory(prefix="projgan-trial-") as name:
        folder = Path(name)
        (folder / _TASK).write_text(to_json(config), encoding="utf-8")
        package = str(Path(storage.__file__).resolve().parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        words = f"from {__name__} import take_steps; take_steps({name!r}, {seconds!r})"
        try:
            done = subprocess.run(
                [sys.executable, "-c", words],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_START_S + 4 * seconds,
                check=False,
            )
            ended = _ending(done.returncode, done.stderr)
        except subprocess.TimeoutExpired:
            ended = "it was not done in time"
        try:
            values = json.loads((folder / _ANSWER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Trial((), batch, 0.0, problem=ended or "it left no figure")
    return Trial(tuple(values["steps_s"]), batch, values["memory_mb"], values["is_first"])


def take_steps(folder: str, seconds: float) -> None:
    """What the child does: steps, and after each of them the figures so far, in a file."""
    config = from_dict(json.loads((Path(folder) / _TASK).read_text(encoding="utf-8")))
    training, (height, width) = config.training, config.data.size
    prepare_device(training)
    device = torch.device(training.device)
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    shape = (training.batch, height, width, config.data.channels)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch_stream(0, "trial"))
    real = noise.permute(0, 3, 1, 2).to(device)
    steps: list[float] = []
    started = time.monotonic()
    while len(steps) <= _STEPS_MOST:
        before = time.monotonic()
        step(state, real)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        steps.append(time.monotonic() - before)
        timed = steps[1:] or steps
        peak = _peak_mb(device)
        values = {"steps_s": timed, "memory_mb": peak, "is_first": len(steps) == 1}
        answer = Path(folder) / f"{_ANSWER}.new"
        answer.write_text(json.dumps(values), encoding="utf-8")
        answer.replace(Path(folder) / _ANSWER)
        if time.monotonic() - started + max(timed) > seconds:
            return


def _peak_mb(device: torch.device) -> float:
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _ending(code: int, errors: str) -> str:
    """Why a child ended, in a few words; empty if all was well."""
    if code == 0:
        return ""
    if code == -9 or "out of memory" in errors.lower() or "MemoryError" in errors:
        return "the memory is not enough"
    lines = errors.strip().splitlines()
    return lines[-1][:160] if lines else f"it ended with code {code}"
