"""G13: a number that is not finite stops a run or takes it back, and is never saved; collapse
alarms go off on what has collapsed and on nothing else.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from faults.messages import Message, complaints_about
from faults.runs import pixels
from faults.score import FULL, Score, caught_by
from projgan.errors import DivergedError
from projgan.training import checkpoint as checkpoint_module
from projgan.training.health import COLLAPSE, COPYING, DIVERGED, OVERWHELMED, diagnose
from projgan.training.state import TrainingState
from projgan.workflows import recorder as recorder_module
from projgan.workflows.train import train
from projgan.workflows.watch import Watch

pytestmark = pytest.mark.faults
STEP = 7
JUDGE = "kid_lite1"


def _spoil(tensor: torch.Tensor, value: float = math.nan) -> None:
    with torch.no_grad():
        tensor[(0,) * tensor.dim()] = value


def _moment(optimizer: torch.optim.Adam, kind: str, value: float) -> None:
    _spoil(next(iter(optimizer.state.values()))[kind], value)


def _gradient(parameter: torch.nn.Parameter) -> None:
    parameter.register_hook(lambda gradient: gradient * math.inf)


def _output(module: torch.nn.Module, value: float) -> None:
    """What a network gives, from now on: pictures that the discriminator is shown, or verdicts."""
    module.register_forward_hook(
        lambda _, __, out: out * value if isinstance(out, torch.Tensor) else out
    )


PLACES: dict[str, Callable[[TrainingState], None]] = {
    "weight of G": lambda s: _spoil(next(s.generator.parameters())),
    "weight of D": lambda s: _spoil(next(s.discriminator.learner.parameters()), math.inf),
    "average of G": lambda s: _spoil(next(s.generator_ema.parameters())),
    "gradient of G": lambda s: _gradient(next(s.generator.parameters())),
    "gradient of D": lambda s: _gradient(next(s.discriminator.learner.parameters())),
    "first moment of G": lambda s: _moment(s.optimizer_g, "exp_avg", math.nan),
    "second moment of D": lambda s: _moment(s.optimizer_d, "exp_avg_sq", math.inf),
    "picture that G makes": lambda s: _output(s.generator, math.nan),
    "verdict of D": lambda s: _output(s.discriminator.learner, math.inf),
    "norm of G": lambda s: next(
        _spoil(b) for n, b in s.generator.named_buffers() if n.endswith("running_mean")
    ),
}
SLICE = ("weight of G", "average of G", "gradient of D")


class _Spoiler(Watch):
    def __init__(self, spoil: Callable[[TrainingState], None]) -> None:
        self._spoil = spoil

    def step(self, state: TrainingState) -> None:
        if state.step == STEP:
            self._spoil(state)


def _complaints(run: Path, pictures: Path, place: str) -> list[str]:
    complaints = ["it went on to the end"]
    try:
        train(pictures, out=run, options=pixels("fastgan"), watch=_Spoiler(PLACES[place]))
    except DivergedError as error:
        complaints = complaints_about(Message.of(error), code=6, culprit=run.name, needs_next=True)
    for folder in sorted((run / "checkpoints").glob("*")) + sorted((run / "snapshots").glob("*")):
        for file in folder.glob("*.safetensors"):
            for name, tensor in load_file(file).items():
                if tensor.is_floating_point() and not torch.isfinite(tensor).all():
                    complaints.append(f"{name} of {folder.name}/{file.name} was saved")
                    break
    if not list((run / "checkpoints").glob("step-*")):
        complaints.append("no checkpoint is left")
    return complaints


@pytest.mark.parametrize("place", PLACES if FULL else SLICE)
def test_it_stops_and_saves_nothing_of_it(
    pictures: Path, tmp_path: Path, score: Score, place: str
) -> None:
    """G13 not finite."""
    score.case(place, _complaints(tmp_path / "run", pictures, place))


def test_without_the_check_at_a_save_it_is_caught(
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
) -> None:
    """The mutant: a checkpoint takes any number."""
    for module in (checkpoint_module, recorder_module):
        monkeypatch.setattr(module, "require_finite", lambda name, values: None)
    assert _complaints(tmp_path / "run", pictures, "average of G")
    caught_by("any number is saved", record_property, "G13 not finite")


WELL = {
    "spacing": 7.0, "spacing_reals": 10.0, "kid_spread": 0.001, "diversity": 8.0,
    "diversity_reals": 10.0, "step": 1000,
}  # fmt: skip


def _figures(count: int = 5, **changes: Any) -> list[dict[str, Any]]:
    """Measurements that get better, with changes in the last three."""
    rows: list[dict[str, Any]] = []
    for place in range(count):
        row = {**WELL, "images_seen": place + 1, JUDGE: 0.5 - 0.05 * place}
        rows.append(row | (changes if place >= count - 3 else {}))
    return rows


def _losses(real: float, fake: float) -> list[dict[str, Any]]:
    return [{"images_seen": n, "sign_real": real, "sign_fake": fake} for n in range(5)]


FALLEN: dict[str, tuple[str, list[dict[str, Any]]]] = {
    "alike": (COLLAPSE, _figures(spacing=0.1)),
    "all the same": (COLLAPSE, _figures(spacing=0.0)),
    "a fifth of the reals": (COLLAPSE, _figures(spacing=2.0, diversity=2.0)),
    "two in turn": (COLLAPSE, _figures(spacing=1.0, diversity=9.0)),
    "ten times worse": (DIVERGED, _figures(**{JUDGE: 5.0})),
    "three times worse": (DIVERGED, _figures(**{JUDGE: 1.5})),
    "sure of everything": (OVERWHELMED, _losses(1.0, -1.0)),
    "as good as sure": (OVERWHELMED, _losses(0.995, -0.995)),
}
HEALTHY: dict[str, list[dict[str, Any]]] = {
    "better and better": _figures(),
    "one odd measurement": [*_figures(4), {**WELL, "images_seen": 9, JUDGE: 0.3, "spacing": 0.1}],
    "less various than the reals": _figures(spacing=5.0, diversity=6.0),
    "more various than the reals": _figures(spacing=12.0, diversity=11.0),
    "no progress": _figures(**{JUDGE: 0.45}),
    "a little worse": _figures(**{JUDGE: 0.6}),
    "a good discriminator": _losses(0.9, -0.9),
    "sure of reals alone": _losses(1.0, -0.5),
}


def test_alarms_go_off_where_they_should(score: Score) -> None:
    """G13 alarms."""
    for name, (state, rows) in FALLEN.items():
        found = diagnose(rows, judge=JUDGE).state
        score.case(name, [] if found == state else [f"{found} instead of {state}"])
    alarms = (COLLAPSE, DIVERGED, OVERWHELMED, COPYING)
    for name, rows in HEALTHY.items():
        found = diagnose(rows, judge=JUDGE).state
        score.case(f"healthy: {name}", [f"{found} is told"] if found in alarms else [])
