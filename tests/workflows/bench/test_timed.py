from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from projgan.workflows.bench.timed import PartClock, TimedStep, backward_of
from tiny import pixels_config, reals, tiny_config

FORWARD, BACKWARD = 5.0, 7.0


class Hand:
    """A time that moves only when it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> float:
        return self.seconds


class _Tick(torch.autograd.Function):
    @staticmethod
    def forward(ctx: object, x: Tensor, hand: Hand) -> Tensor:
        hand.seconds += FORWARD
        ctx.hand = hand  # type: ignore[attr-defined]
        return x.view_as(x)

    @staticmethod
    def backward(ctx: object, gradient: Tensor) -> tuple[Tensor, None]:
        ctx.hand.seconds += BACKWARD  # type: ignore[attr-defined]
        return gradient, None


def tick(module: nn.Module, hand: Hand) -> None:
    """Let a pass of `module` take 5 seconds, and a backward pass through it 7."""

    def hook(_module: nn.Module, _inputs: object, output: Tensor | list[Tensor]) -> object:
        if isinstance(output, Tensor):
            return _Tick.apply(output, hand)
        return [_Tick.apply(output[0], hand), *output[1:]]

    module.register_forward_hook(hook)


def timed_step(config: RunConfig, hand: Hand) -> tuple[TimedStep, PartClock]:
    clock = PartClock(hand)  # type: ignore[arg-type]
    return TimedStep(config, make_augment(config), None, clock), clock


def parts_of(config: RunConfig) -> dict[str, float]:
    """Seconds by part of one step in which only passes through networks take time."""
    hand, state = Hand(), new_state(config)
    tick(state.generator, hand)
    tick(state.discriminator.learner, hand)
    if config.discriminator.is_projected:
        tick(state.discriminator.projector, hand)
    step, clock = timed_step(config, hand)
    clock.start("data")
    step(state, reals())
    clock.turn("")
    assert sum(clock.seconds.values()) == hand.seconds
    return {part: seconds for part, seconds in clock.seconds.items() if seconds}


def test_time_of_the_shared_step_goes_where_it_belongs() -> None:
    assert parts_of(tiny_config(training__step="shared")) == {
        "generator": FORWARD,
        backward_of("generator"): BACKWARD,
        "features": 2 * FORWARD,  # fakes and reals
        backward_of("features"): BACKWARD,
        "heads": 2 * FORWARD,
        backward_of("heads"): 3 * BACKWARD,  # of fakes for both networks, and of reals
    }


def test_time_of_the_alternating_step_goes_where_it_belongs() -> None:
    assert parts_of(tiny_config(training__step="alternating")) == {
        "generator": 2 * FORWARD,
        backward_of("generator"): BACKWARD,
        "features": 3 * FORWARD,
        backward_of("features"): BACKWARD,
        "heads": 3 * FORWARD,
        backward_of("heads"): 3 * BACKWARD,
    }


def test_a_penalty_has_a_part_of_its_own() -> None:
    parts = parts_of(pixels_config("stylegan2"))
    assert parts["penalty"] >= FORWARD
    assert parts["generator"] == FORWARD
    assert "features" not in parts


def run(step: TrainStep, state: TrainingState) -> dict[str, Tensor]:
    for seed in (0, 1):
        step(state, reals(seed=seed))
    networks = (state.generator, state.generator_ema, state.discriminator)
    return {
        f"{index}.{name}": value
        for index, network in enumerate(networks)
        for name, value in network.state_dict().items()
    }


@pytest.mark.parametrize("mode", ["shared", "alternating"])
def test_looking_changes_no_number(mode: str) -> None:
    config = tiny_config(training__step=mode, training__micro_batch="2")
    plain = run(TrainStep(config, make_augment(config), None), new_state(config))
    looked_into = run(timed_step(config, Hand())[0], new_state(config))
    assert plain.keys() == looked_into.keys()
    assert all(torch.equal(plain[name], looked_into[name]) for name in plain)


def test_the_clock_gives_time_back_to_what_was_before() -> None:
    hand = Hand()
    clock = PartClock(hand)  # type: ignore[arg-type]
    clock.start("outer")
    hand.seconds += 1
    with pytest.raises(KeyError), clock.on("inner"):
        hand.seconds += 10
        raise KeyError
    hand.seconds += 2
    clock.turn("")
    hand.seconds += 100  # nobody's
    assert clock.seconds == {"outer": 3, "inner": 10}
    clock.start("outer")
    assert clock.seconds == {}
