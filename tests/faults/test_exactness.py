"""G4: a run that was stopped and resumed is the run that never stopped, to the last bit."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from faults.runs import (
    CONFIGS,
    IMAGES,
    StopAt,
    Straight,
    last_tensors,
    lines_of,
    stop_and_resume,
    unlike,
)
from faults.score import FULL, Score, caught_by
from projgan.errors import StoppedBySignal
from projgan.training import checkpoint as checkpoint_module
from projgan.training.state import TrainingState
from projgan.workflows.train import resume, train

pytestmark = pytest.mark.faults

PAIRS: list[tuple[str, tuple[int, ...]]] = [
    ("shared", (4, 5, 9)),
    ("alternating", (3,)),
    ("adaptive", (3, 6)),
    ("bf16", (2, 7)),
    ("fastgan", (5,)),
    ("stylegan2", (2, 7)),
]
FURTHER: list[tuple[str, tuple[int, ...]]] = [
    ("shared", (1,)),
    ("styles", (5,)),
    ("stylegan2-alternating", (5,)),
    ("clear", (3,)),
    ("noisy", (5,)),
    ("noisy", (2, 3)),
    ("shared", (2,)),
    ("shared", (9,)),
    ("alternating", (1, 8)),
    ("adaptive", (1,)),
    ("adaptive", (9,)),
    ("bf16", (5,)),
    ("styles", (1, 2, 3)),
    ("fastgan", (1,)),
    ("fastgan", (3, 8)),
    ("stylegan2", (3,)),
    ("stylegan2-alternating", (1, 2)),
    ("clear", (6, 7)),
]


@pytest.mark.parametrize(("config", "stops"), [*PAIRS, *(FURTHER if FULL else [])])
def test_resumed_equals_never_stopped(
    straight: Straight,
    pictures: Path,
    tmp_path: Path,
    score: Score,
    config: str,
    stops: tuple[int, ...],
) -> None:
    """G4 exactness."""
    run = tmp_path / "run"
    stop_and_resume(pictures, run, config, *stops)
    assert len(last_tensors(run)) > 100
    assert [row["images_seen"] for row in lines_of(run)] == [12, 24, 36, IMAGES]
    score.case(f"{config}, stopped in step {stops}", unlike(straight(config), run))


def _forget_optimizer(state: TrainingState) -> None:
    state.optimizer_d.state.clear()


def _forget_moments(state: TrainingState) -> None:
    for entry in state.optimizer_g.state.values():
        entry["exp_avg_sq"].zero_()


def _forget_adam_steps(state: TrainingState) -> None:
    for entry in state.optimizer_g.state.values():
        entry["step"].fill_(1)


def _forget_generator(state: TrainingState) -> None:
    state.generator.load_state_dict(state.generator_ema.state_dict())


def _forget_ema(state: TrainingState) -> None:
    state.generator_ema.load_state_dict(state.generator.state_dict())


def _forget_heads(state: TrainingState) -> None:
    with torch.no_grad():
        for parameter in state.discriminator.learner.parameters():
            parameter.mul_(1.01)


def _forget_position(state: TrainingState) -> None:
    state.images_seen -= 4


def _forget_step(state: TrainingState) -> None:
    state.step -= 1


def _forget_averages(state: TrainingState) -> None:
    state.averages.clear()


def _forget_batch_statistics(state: TrainingState) -> None:
    for module in state.generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()


def _forget_spectral_vectors(state: TrainingState) -> None:
    for name, buffer in state.discriminator.heads.named_buffers():
        if name.endswith(".u"):
            buffer.copy_(torch.nn.functional.normalize(torch.ones_like(buffer), dim=0))


def _forget_norms_of_the_discriminator(state: TrainingState) -> None:
    for module in state.discriminator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()


def _forget_p(state: TrainingState) -> None:
    state.controller.p = 0.5


def _forget_projection(state: TrainingState) -> None:
    with torch.no_grad():
        for parameter in state.discriminator.projector.parameters():
            parameter.mul_(1.01)


MUTANTS: list[tuple[str, Callable[[TrainingState], None]]] = [
    ("shared", _forget_optimizer),
    ("shared", _forget_position),
    ("shared", _forget_batch_statistics),
    ("shared", _forget_spectral_vectors),
    ("adaptive", _forget_p),
    ("fastgan", _forget_norms_of_the_discriminator),
]
FURTHER_MUTANTS: list[tuple[str, Callable[[TrainingState], None]]] = [
    ("shared", _forget_moments),
    ("shared", _forget_ema),
    ("shared", _forget_step),
    ("shared", _forget_projection),
    ("fastgan", _forget_optimizer),
    ("stylegan2", _forget_optimizer),
    ("stylegan2", _forget_step),
    ("shared", _forget_adam_steps),
    ("shared", _forget_generator),
    ("shared", _forget_heads),
    ("shared", _forget_averages),
]


@pytest.mark.parametrize(("config", "forget"), [*MUTANTS, *(FURTHER_MUTANTS if FULL else [])])
def test_a_resume_that_forgets_one_thing_is_caught(
    straight: Straight,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    record_property: Callable[[str, object], None],
    config: str,
    forget: Callable[[TrainingState], None],
) -> None:
    """The mutants of the test above: each must make it fail."""
    import projgan.workflows.train as workflow

    right = checkpoint_module.restore

    def wrong(checkpoint: Any, state: TrainingState) -> None:
        right(checkpoint, state)
        forget(state)

    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS[config], watch=StopAt(5))
    monkeypatch.setattr(workflow, "restore", wrong)
    resume(run)
    assert unlike(straight(config), run)
    name = forget.__name__.strip("_").replace("_", " ")
    caught_by(f"{name} at a resume ({config})", record_property, "G4 exactness")
