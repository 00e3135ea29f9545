"""wandb, mlflow and aim as far as accelerate's trackers call them; they write down what they hear.

What accelerate does with them is accelerate's own code; only the packages below it are not there.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest


@dataclass
class Heard:
    """One sitting of a record: how it was opened, and what came."""

    opened: dict[str, Any]
    settings: dict[str, Any] = field(default_factory=dict)
    figures: list[tuple[int, dict[str, float]]] = field(default_factory=list)
    grids: list[Any] = field(default_factory=list)
    is_finished: bool = False

    @property
    def steps(self) -> list[int]:
        return [step for step, _ in self.figures]


def install(patch: pytest.MonkeyPatch, name: str) -> list[Heard]:
    """Put the stand-in where imports find it; the sittings that it will hear."""
    heard: list[Heard] = []
    module = ModuleType(name)
    module.__spec__ = ModuleSpec(name, None)
    {"wandb": _fill_wandb, "mlflow": _fill_mlflow, "aim": _fill_aim}[name](module, heard)
    patch.setitem(sys.modules, name, module)
    return heard


def _fill_wandb(module: Any, heard: list[Heard]) -> None:
    def log(values: dict[str, Any], step: int) -> None:
        if "samples" in values:
            heard[-1].grids += values["samples"]
        else:
            heard[-1].figures.append((step, values))

    def init(**words: Any) -> Any:
        heard.append(Heard(words))
        return SimpleNamespace(log=log, finish=lambda: setattr(heard[-1], "is_finished", True))

    def update(values: dict[str, Any], allow_val_change: bool) -> None:
        heard[-1].settings = values

    module.init, module.Image = init, lambda image: image.size
    module.config = SimpleNamespace(update=update)


def _fill_mlflow(module: Any, heard: list[Heard]) -> None:
    def start_run(**words: Any) -> Any:
        heard.append(Heard(words))
        return SimpleNamespace(info=SimpleNamespace(run_id=words["run_id"] or "first-run"))

    def log_params(values: dict[str, Any]) -> None:
        heard[-1].settings |= values

    limits = SimpleNamespace(MAX_PARAM_VAL_LENGTH=6000, MAX_PARAMS_TAGS_PER_BATCH=100)
    module.utils = SimpleNamespace(validation=limits)
    module.search_experiments = lambda filter_string: []
    module.create_experiment = lambda name, **words: f"id of {name}"
    module.start_run = start_run
    module.log_params = log_params
    module.log_metrics = lambda metrics, step: heard[-1].figures.append((step, metrics))
    module.log_artifact = lambda local_path, artifact_path: heard[-1].grids.append(
        Path(local_path).name
    )
    module.end_run = lambda: setattr(heard[-1], "is_finished", True)


def _fill_aim(module: Any, heard: list[Heard]) -> None:
    class Run:
        def __init__(self, **words: Any) -> None:
            heard.append(Heard(words))
            self.hash = words["run_hash"] or "first-hash"
            self.name = ""

        def __setitem__(self, key: str, value: Any) -> None:
            heard[-1].settings = value

        def track(self, value: Any, name: str, step: int) -> None:
            if name == "samples":
                heard[-1].grids.append(value)
            elif heard[-1].figures and heard[-1].figures[-1][0] == step:
                heard[-1].figures[-1][1][name] = value
            else:
                heard[-1].figures.append((step, {name: value}))

        def close(self) -> None:
            heard[-1].is_finished = True

    module.Run, module.Image = Run, lambda image, caption: image.size
