from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from projgan.build import make_augment
from projgan.errors import DivergedError
from projgan.training.guard import Guard
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config

CPU = torch.device("cpu")


def late_step(**changes: str) -> tuple[TrainingState, TrainStep]:
    """A step that reads a step later, as on CUDA."""
    config = tiny_config(**changes)
    step = TrainStep(config, make_augment(config))
    step._guard = Guard(CPU, late=True)
    return new_state(config), step


def weights(state: TrainingState) -> dict[str, torch.Tensor]:
    learned = {**dict(state.generator.named_parameters(prefix="g"))}
    learned |= dict(state.discriminator.learner.named_parameters(prefix="d"))
    return {name: value.detach().clone() for name, value in learned.items()}


def moments(state: TrainingState) -> list[torch.Tensor]:
    optimizers = (state.optimizer_g, state.optimizer_d)
    return [v.clone() for o in optimizers for entry in o.state.values() for v in entry.values()]


def test_at_once_where_reading_costs_nothing() -> None:
    guard = Guard(CPU)
    guard.check([torch.tensor(1.0)], "loss", step=3, images_seen=24)
    with pytest.raises(DivergedError, match="the loss is not finite at step 3 \\(24 images\\)"):
        guard.check([torch.tensor(1.0), torch.tensor(float("inf"))], "loss", step=3, images_seen=24)


def test_late_it_names_the_step_and_the_first_culprit() -> None:
    guard = Guard(CPU, late=True)
    good, bad = torch.tensor(1.0), torch.tensor(float("nan"))
    for step, (loss, norm) in enumerate([(good, good), (good, bad), (bad, bad)]):
        guard.check([loss], "generator loss", step=step, images_seen=8 * step)
        guard.check([norm], "generator gradient", step=step, images_seen=8 * step)
        if step < 2:
            guard.end_step(step=step, images_seen=8 * step)
    with pytest.raises(DivergedError, match="generator gradient is not finite at step 1 .8 images"):
        guard.end_step(step=2, images_seen=16)


def test_settle_tells_of_the_last_step_once() -> None:
    guard = Guard(CPU, late=True)
    guard.settle()
    guard.check([torch.tensor(float("nan"))], "loss", step=0, images_seen=0)
    guard.end_step(step=0, images_seen=0)
    with pytest.raises(DivergedError, match="at step 0"):
        guard.settle()
    guard.settle()


@pytest.mark.parametrize("mode", ["shared", "alternating"])
def test_late_nothing_moves_after_the_first_bad_number(mode: str) -> None:
    """Neither weights nor moments, in the bad step and in the one that was queued behind it."""
    state, step = late_step(training__step=mode, training__micro_batch="2")
    step(state, reals(4, resolution=32, seed=0))
    with torch.no_grad():
        state.generator.to_image.weight.fill_(float("nan"))
    before, momenta = weights(state), moments(state)
    step(state, reals(4, resolution=32, seed=1))
    with pytest.raises(DivergedError, match="at step 1 "):
        step(state, reals(4, resolution=32, seed=2))
    for name, value in weights(state).items():
        assert torch.equal(value, before[name]) or name == "g.to_image.weight", f"{name} moved"
    assert all(map(torch.equal, moments(state), momenta))


@pytest.mark.parametrize("mode", ["shared", "alternating"])
def test_late_and_at_once_learn_the_same(mode: str) -> None:
    state, step = late_step(training__step=mode)
    config = tiny_config(training__step=mode)
    other, at_once = new_state(config), TrainStep(config, make_augment(config))
    for seed in range(3):
        step(state, reals(4, resolution=32, seed=seed))
        at_once(other, reals(4, resolution=32, seed=seed))
    step.settle()
    theirs = weights(other)
    assert all(torch.equal(value, theirs[name]) for name, value in weights(state).items())


class _CountReads(TorchDispatchMode):
    """Counts what makes the host wait for a device: numbers that become Python's."""

    reads = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.reads += func is torch.ops.aten._local_scalar_dense.default
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("mode", ["shared", "alternating"])
def test_a_step_reads_one_number_and_that_a_step_late(mode: str) -> None:
    state, step = late_step(training__step=mode, training__micro_batch="2")
    for seed in range(2):
        step(state, reals(4, resolution=32, seed=seed))
    with _CountReads() as counter:
        step(state, reals(4, resolution=32, seed=2))
    # One is the guard's. On a CPU, drawing the step's seeds and Adam's counters reads none.
    assert counter.reads == 1


def test_the_count_can_fail() -> None:
    state, step = late_step()
    step(state, reals(4, resolution=32, seed=0))
    step._guard = Guard(CPU, late=False)
    with _CountReads() as counter:
        step(copy.copy(state), reals(4, resolution=32, seed=1))
    assert counter.reads > 1
