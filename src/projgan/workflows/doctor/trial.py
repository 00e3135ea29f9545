"""How fast this machine trains, and in how much memory: some real steps in a process of their own.

The process is a child, so that its peak memory is that of a training and nothing else, and so that
a machine that runs out of memory loses only the child.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass
from pathlib import Path

import torch

from projgan import storage
from projgan.build import make_augment
from projgan.config.load import from_dict, to_json
from projgan.config.schema import RunConfig
from projgan.generators.plugin import admit, is_outside
from projgan.rng import torch_stream
from projgan.training.device import prepare_device
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from projgan.workflows.memory import peak_mb

_START_S = 240.0
"""How long starting may take, before the first step."""
_STEPS_MOST = 200
_STEP_S = 240.0
"""How long each step may take that is wanted however long it takes."""
_TOO_MUCH = 77
"""Exit code of a child that took more memory than it may."""
_NOT_ENOUGH = "the memory is not enough"
_LOOK_S = 0.02
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
        processor_s: of each timed step, what the processor spent on it.
    """

    steps_s: tuple[float, ...]
    batch: int
    memory_mb: float
    is_first: bool = False
    problem: str = ""
    processor_s: tuple[float, ...] = ()

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


def try_steps(
    config: RunConfig,
    seconds: float,
    *,
    least: int = 1,
    limit_mb: float = 0.0,
    module: str = __name__,
) -> Trial:
    """Take steps of a settled, unconditional config for about `seconds`.

    Pictures are noise: what a step costs does not depend on what they show. A generator from
    outside, whose module was imported here, is imported there too.

    Args:
        least: so many steps are taken, however long they take.
        limit_mb: memory of the device above which the trial is given up, a problem; 0: any.
        module: whose `take_steps` the child runs; this one's by default.
    """
    batch = config.training.batch
    with tempfile.TemporaryDirectory(prefix="projgan-trial-") as name:
        folder = Path(name)
        (folder / _TASK).write_text(to_json(config), encoding="utf-8")
        package = str(Path(storage.__file__).resolve().parents[1])
        paths = [package, *filter(None, [os.environ.get("PYTHONPATH")])]
        if is_outside(config.generator.name):
            paths.append(os.getcwd())  # where its module may lie
        words = (
            f"from {module} import take_steps; "
            f"take_steps({name!r}, {seconds!r}, {least!r}, {limit_mb!r})"
        )
        try:
            done = subprocess.run(
                [sys.executable, "-c", words],
                cwd=folder,
                env=os.environ | {"PYTHONPATH": os.pathsep.join(paths)},
                capture_output=True,
                text=True,
                errors="replace",
                timeout=_START_S + 4 * seconds + (least - 1) * _STEP_S,
                check=False,
            )
            ended = _ending(done.returncode, done.stderr)
        except subprocess.TimeoutExpired:
            ended = "it was not done in time"
        try:
            values = json.loads((folder / _ANSWER).read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return Trial((), batch, 0.0, problem=ended or "it left no figure")
    if limit_mb and not ended and values["memory_mb"] > limit_mb:
        ended = _NOT_ENOUGH
    if limit_mb and ended:
        return Trial((), batch, values["memory_mb"], problem=ended)
    return Trial(
        tuple(values["steps_s"]),
        batch,
        values["memory_mb"],
        values["is_first"],
        processor_s=tuple(values["processor_s"]),
    )


def take_steps(folder: str, seconds: float, least: int, limit_mb: float) -> None:
    """What the child does: steps, and after each of them the figures so far, in a file."""
    config = read_task(folder, limit_mb)
    step = TrainStep(config, make_augment(config))
    report_steps(folder, config, new_state(config), step, seconds, least=least)


def read_task(folder: str, limit_mb: float) -> RunConfig:
    """The config that the child was given; the device is set up, and its generator imported."""
    config = from_dict(json.loads((Path(folder) / _TASK).read_text(encoding="utf-8")))
    prepare_device(config.training)
    if limit_mb:
        _limit(torch.device(config.training.device), limit_mb)
    if is_outside(config.generator.name):
        admit(config.generator.name, allow_code=True)  # the parent was allowed to
    return config


def report_steps(
    folder: str,
    config: RunConfig,
    state: TrainingState,
    step: TrainStep,
    seconds: float,
    *,
    least: int,
    memory_format: torch.memory_format = torch.channels_last,
) -> None:
    """Take steps from `state`, on noise in this memory format."""
    training, (height, width) = config.training, config.data.size
    device = torch.device(training.device)
    shape = (training.batch, height, width, config.data.channels)
    noise = torch.randint(0, 256, shape, dtype=torch.uint8, generator=torch_stream(0, "trial"))
    real = noise.permute(0, 3, 1, 2).to(device, memory_format=memory_format)
    steps: list[float] = []
    processor: list[float] = []
    started = time.monotonic()
    while len(steps) <= _STEPS_MOST:
        before, spent = time.monotonic(), time.process_time()
        step(state, real)
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        steps.append(time.monotonic() - before)
        processor.append(time.process_time() - spent)
        timed = steps[1:] or steps
        values = {
            "steps_s": timed,
            "processor_s": processor[1:] or processor,
            "memory_mb": peak_mb(device),
            "is_first": len(steps) == 1,
        }
        answer = Path(folder) / f"{_ANSWER}.new"
        answer.write_text(json.dumps(values), encoding="utf-8")
        answer.replace(Path(folder) / _ANSWER)
        if len(steps) >= least and time.monotonic() - started + max(timed) > seconds:
            return


def _limit(device: torch.device, limit_mb: float) -> None:
    """End this process as soon as it takes more: before the system looks for something to end."""
    if device.type == "cuda":
        _, total = torch.cuda.mem_get_info(device)
        torch.cuda.set_per_process_memory_fraction(min(limit_mb * 1e6 / total, 1.0), device)
        return

    def watch() -> None:
        while peak_mb(device) <= limit_mb:
            time.sleep(_LOOK_S)
        os._exit(_TOO_MUCH)

    threading.Thread(target=watch, daemon=True).start()


def _ending(code: int, errors: str) -> str:
    """Why a child ended, in a few words; empty if all was well."""
    if code == 0:
        return ""
    if code in (-9, _TOO_MUCH) or "out of memory" in errors.lower() or "MemoryError" in errors:
        return _NOT_ENOUGH
    lines = errors.strip().splitlines()
    return lines[-1][:160] if lines else f"it ended with code {code}"
