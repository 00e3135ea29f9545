"""Frozen blocks: which they are, that they stay and the others learn."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from projgan.build import make_augment, make_generator
from projgan.errors import UsageError
from projgan.generators.base import Generator
from projgan.training.freezing import freeze
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config

MODES = ("shared", "alternating")


def moved_by_steps(**changes: str) -> tuple[set[str], set[str], TrainingState]:
    """Names of the parameters that two steps moved and did not move."""
    config = tiny_config(**changes)
    state = new_state(config)
    before = {key: value.clone() for key, value in parameters_of(state).items()}
    step = TrainStep(config, make_augment(config))
    for seed in range(2):
        step(state, reals(4, seed=seed))
    after = parameters_of(state)
    moved = {key for key, value in before.items() if not torch.equal(value, after[key])}
    return moved, before.keys() - moved, state


def parameters_of(state: TrainingState) -> dict[str, Tensor]:
    found = dict(state.generator.named_parameters(prefix="g"))
    return found | dict(state.discriminator.heads.named_parameters(prefix="d"))


@pytest.mark.parametrize("mode", MODES)
def test_frozen_blocks_of_the_heads_stay(mode: str) -> None:
    moved, stayed, state = moved_by_steps(training__step=mode, training__freeze_heads="2")
    # Heads have 4, 3, 2 and 1 blocks: two of each are frozen, or the only one.
    expected = {(0, 0), (0, 1), (1, 0), (1, 1), (2, 0), (2, 1), (3, 0)}
    assert {tuple(int(part) for part in key.split(".")[2:5:2]) for key in stayed} == expected
    assert not {key for key in moved if key.startswith("d.")} & stayed
    assert all(".down." in key for key in stayed)
    learned = state.discriminator.heads.trainable_parameters()
    in_optimizer = state.optimizer_d.param_groups[0]["params"]
    assert [id(p) for p in learned] == [id(p) for p in in_optimizer]
    assert len(learned) == len({key for key in moved if key.startswith("d.")})
    assert all(p.grad is None for p in state.discriminator.heads.parameters())


@pytest.mark.parametrize(
    ("mode", "name", "frozen", "learns"),
    [
        ("shared", "fastgan-lite", ("start.", "blocks.8."), ("blocks.16.", "blocks.32.", "to_i")),
        ("alternating", "fastgan", ("start.", "blocks.8."), ("blocks.16.", "blocks.32.", "to_i")),
        (
            "shared",
            "stylegan2",
            ("mapping.", "synthesis.start", "synthesis.blocks.4."),
            ("synthesis.blocks.8.", "synthesis.blocks.16.", "synthesis.blocks.32."),
        ),
    ],
)
def test_frozen_blocks_of_the_generator_stay(
    mode: str, name: str, frozen: tuple[str, ...], learns: tuple[str, ...]
) -> None:
    moved, stayed, state = moved_by_steps(
        generator__name=name, training__step=mode, training__freeze_generator="2"
    )
    stayed = {key.removeprefix("g.") for key in stayed}
    moved = {key.removeprefix("g.") for key in moved if key.startswith("g.")}
    assert stayed and all(key.startswith(frozen) for key in stayed)
    assert moved and all(key.startswith(learns) for key in moved)
    assert stayed | moved == {key for key, _ in state.generator.named_parameters()}
    assert len(state.optimizer_g.param_groups[0]["params"]) == len(moved)


def test_excitations_belong_to_their_block() -> None:
    generator = make_generator(tiny_config(data__resolution="128"))
    stages = generator.stages()
    names = {id(value): key for key, value in generator.named_parameters()}
    last = {names[id(parameter)].rsplit(".", 2)[0] for parameter in stages[-1]}
    assert {name.split(".")[0] for name in last} == {"blocks", "excitations"}
    assert {name.split(".")[1] for name in last} == {"128"}
    listed = [names[id(parameter)] for stage in stages for parameter in stage]
    assert len(listed) == len(set(listed))
    assert set(names.values()) - set(listed) == {"to_image.weight", "to_image.bias"}


def test_frozen_heads_never_thaw() -> None:
    state = new_state(tiny_config(training__freeze_heads="1"))
    heads = state.discriminator.heads
    copied = copy.deepcopy(heads)
    for one in (heads, copied, state.discriminator):
        one.requires_grad_(False).requires_grad_(True)
        first = [p for name, p in one.named_parameters() if ".down.0." in name]
        assert first and not any(p.requires_grad for p in first)
        assert sum(p.requires_grad for p in one.parameters()) == len(heads.trainable_parameters())


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"training__freeze_heads": "5"}, "deepest head has 4"),
        ({"training__freeze_heads": "1", "projector__level": "1"}, None),
        ({"training__freeze_heads": "4", "projector__level": "1"}, "deepest head has 3"),
        ({"training__freeze_generator": "5"}, "has 4 that can be"),
        ({"training__freeze_generator": "4"}, None),
        ({"training__freeze_generator": "5", "generator__name": "stylegan2"}, "has 4 that can be"),
    ],
)
def test_more_blocks_than_there_are(changes: dict[str, str], problem: str | None) -> None:
    if problem is None:
        new_state(tiny_config(**changes))
        return
    with pytest.raises(UsageError, match=problem) as caught:
        new_state(tiny_config(**changes))
    assert caught.value.where.startswith("setting training.freeze_")


def test_negative_numbers_are_refused() -> None:
    with pytest.raises(UsageError, match="must not be negative"):
        tiny_config(training__freeze_heads="-1")


class Plain(Generator):
    """Names no blocks, or all that it has."""

    def __init__(self, is_naming: bool) -> None:
        super().__init__(z_dim=16, resolution=32)
        self.linear, self.is_naming = nn.Linear(16, 3), is_naming

    def forward(self, z: Tensor) -> Tensor:
        return self.linear(z)[:, :, None, None].expand(-1, -1, 32, 32)

    def stages(self) -> list[list[nn.Parameter]]:
        return [list(self.parameters())] if self.is_naming else super().stages()


@pytest.mark.parametrize(("is_naming", "problem"), [(False, "names none"), (True, "nothing of")])
def test_generators_from_outside(is_naming: bool, problem: str) -> None:
    config = tiny_config(training__freeze_generator="1")
    discriminator = new_state(tiny_config()).discriminator
    with pytest.raises(UsageError, match=problem):
        freeze(config.training, Plain(is_naming), discriminator)


def test_a_discriminator_trained_from_pixels_has_no_heads() -> None:
    with pytest.raises(UsageError, match="no heads to freeze") as caught:
        new_state(tiny_config(discriminator__name="fastgan", training__freeze_heads="1"))
    assert caught.value.where == "setting training.freeze_heads"
