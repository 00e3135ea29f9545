from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from notes import Notes
from projgan.build import choose_compile, make_augment
from projgan.training.compiling import compile_networks
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from projgan.workflows.train import resume, train
from tiny import reals, tiny_config, tiny_options, write_pictures


def tensors(state: TrainingState) -> dict[str, torch.Tensor]:
    networks = (("g", state.generator), ("d", state.discriminator))
    return {
        f"{n}.{k}": v.clone() for n, network in networks for k, v in network.state_dict().items()
    }


def eager_instead(monkeypatch: pytest.MonkeyPatch, called: list[nn.Module]) -> None:
    """Compiling takes a minute; here a module is only noted, and stays eager."""

    def compile_eagerly(self: nn.Module) -> None:
        called.append(self)
        self._compiled_call_impl = self._call_impl

    monkeypatch.setattr(nn.Module, "compile", compile_eagerly)


def test_auto_is_for_cuda() -> None:
    assert choose_compile("auto", torch.device("cuda:1")) == "on"
    assert choose_compile("auto", torch.device("cpu")) == "off"
    assert choose_compile("on", torch.device("cpu")) == "on"


@pytest.mark.parametrize("mode", ["shared", "alternating"])
def test_a_rehearsal_leaves_nothing_behind(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Batch statistics, spectral-norm vectors, gradients, counters and averages."""
    called: list[nn.Module] = []
    eager_instead(monkeypatch, called)
    config = tiny_config(training__step=mode)
    state = new_state(config)
    before = tensors(state)
    assert compile_networks(state, config, make_augment(config)) == ""
    discriminator = state.discriminator
    parts = [discriminator.features, discriminator.projector, discriminator.heads]
    assert called == [state.generator, *parts]
    assert all(torch.equal(value, before[key]) for key, value in tensors(state).items())
    assert (state.step, state.images_seen, state.averages.means()) == (0, 0, {})
    networks = (state.generator, state.discriminator)
    assert all(p.grad is None for network in networks for p in network.parameters())


def test_a_penalty_keeps_its_discriminator_eager(monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[nn.Module] = []
    eager_instead(monkeypatch, called)
    config = tiny_config(discriminator__name="stylegan2", discriminator__width="4")
    state = new_state(config)
    compile_networks(state, config, make_augment(config))
    assert called == [state.generator]


def test_what_fails_is_told_and_trains_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no compiler is found: the first call raises."""

    def compile_badly(self: nn.Module) -> None:
        def fail(*_args: Any) -> None:
            raise RuntimeError("no compiler here\nand a long story")

        self._compiled_call_impl = fail

    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(nn.Module, "compile", compile_badly)
    write_pictures(tmp_path / "photos", 4)
    notes = Notes()
    options = tiny_options(training__images="8", training__compile="on")
    result = train(tmp_path / "photos", out=tmp_path / "run", options=options, watch=notes)
    assert result.images_seen == 8
    said = "the networks train as they are, not compiled: RuntimeError: no compiler here"
    assert said in notes.notes


def test_a_run_says_so_and_a_resume_may_change_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    called: list[nn.Module] = []
    eager_instead(monkeypatch, called)
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    write_pictures(tmp_path / "photos", 4)
    options = tiny_options(training__images="8", training__compile="on")
    train(tmp_path / "photos", out=tmp_path / "run", options=options, until=4)
    assert len(called) == 4
    resume(tmp_path / "run", options={"training.compile": "off"})
    assert len(called) == 4


@pytest.mark.slow
def test_compiled_networks_learn_the_same() -> None:
    """To rounding: Adam's first steps are signs, and small gradients may have another."""
    config = tiny_config(optimizer__lr_g="1e-5", optimizer__lr_d="1e-5")
    augment = make_augment(config)
    eager, compiled = new_state(config), new_state(config)
    problem = compile_networks(compiled, config, augment)
    if problem:
        pytest.skip(f"skipped: nothing to compile with: {problem}")
    step = TrainStep(config, augment)
    for seed in range(3):
        for state in (eager, compiled):
            step(state, reals(4, resolution=32, seed=seed))
    theirs = tensors(eager)
    for key, value in tensors(compiled).items():
        torch.testing.assert_close(value, theirs[key], atol=1e-3, rtol=1e-2)
    means = [state.averages.means() for state in (eager, compiled)]
    assert means[0]["loss_d"] == pytest.approx(means[1]["loss_d"], abs=1e-2)
