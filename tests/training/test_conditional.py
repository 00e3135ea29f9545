"""A step with classes: where labels come from, and that both networks learn by them."""

from __future__ import annotations

import copy
from collections import Counter

import pytest
import torch
from torch import Tensor

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.images import to_float
from projgan.losses import hinge_fake_loss, hinge_generator_loss, hinge_real_loss
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config

MODES = ("shared", "alternating")
LABELS = torch.tensor([0] * 6 + [2] * 3 + [1])  # of the pictures: six, one, three
REAL_CLASSES = torch.tensor([0, 2, 2, 1])


def config_of(**changes: str) -> RunConfig:
    return tiny_config(data__conditional="true", data__classes="a,b,c", **changes)


def step_of(config: RunConfig) -> TrainStep:
    return TrainStep(config, make_augment(config), LABELS)


def run_steps(steps: int, c: Tensor = REAL_CLASSES, **changes: str) -> TrainingState:
    config = config_of(**changes)
    state = new_state(config)
    step = step_of(config)
    for number in range(steps):
        step(state, reals(seed=number), c)
    return state


def tensors(state: TrainingState) -> dict[str, Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name in ("generator", "discriminator")
        for key, value in getattr(state, name).state_dict().items()
    }


@pytest.mark.parametrize("name", ["fastgan-lite", "fastgan", "stylegan2"])
@pytest.mark.parametrize("mode", MODES)
def test_everything_that_can_learn_moves(mode: str, name: str) -> None:
    options = {"training__step": mode, "generator__name": name}
    before, after = (tensors(run_steps(steps, **options)) for steps in (0, 2))
    trained = [
        key
        for key in before
        if key.startswith(("generator.", "discriminator.heads.")) and key.endswith(".weight")
    ]
    assert any("embed" in key for key in trained)
    assert [key for key in trained if torch.equal(before[key], after[key])] == []
    again = tensors(run_steps(2, **options))
    assert all(torch.equal(after[key], again[key]) for key in after)


@pytest.mark.parametrize("mode", MODES)
def test_classes_of_reals_are_learned(mode: str) -> None:
    first = tensors(run_steps(1, training__step=mode))
    other = tensors(run_steps(1, REAL_CLASSES.flip(0), training__step=mode))
    vectors = [key for key in first if key.endswith("classes.embed.weight")]
    assert len(vectors) == 4
    assert not any(torch.equal(first[key], other[key]) for key in vectors)


def test_classes_of_fakes_are_distributed_like_the_data() -> None:
    config = config_of(training__batch="8", training__micro_batch="4")
    state, step, seen = new_state(config), step_of(config), Counter[int]()
    for number in range(300):
        state.step = number
        parts = step._fake_classes(state, "both turns")
        assert [len(part) for part in parts] == [4, 4]
        seen.update(torch.cat(parts).tolist())
    for index, share in enumerate((0.6, 0.1, 0.3)):
        assert abs(seen[index] / 2400 - share) < 0.04


def test_classes_of_fakes_follow_from_seed_turn_and_step_alone() -> None:
    config = config_of(training__batch="8")
    state = new_state(config)

    def drawn(turn: str = "both turns", step: int = 7, seed: str = "0") -> list[int]:
        state.step = step
        (classes,) = step_of(config_of(training__batch="8", training__seed=seed))._fake_classes(
            state, turn
        )
        return classes.tolist()

    torch.manual_seed(1)
    first = drawn()
    torch.manual_seed(2)
    assert drawn() == first
    others = [drawn(turn="heads' turn"), drawn(step=8), drawn(seed="1")]
    assert all(classes != first for classes in others)


def test_without_classes_the_draws_of_a_run_are_what_they_were() -> None:
    """Classes have a stream of their own: latents and augmentations do not move."""
    conditional, plain = config_of(), tiny_config()
    state = new_state(plain)
    (first,) = step_of(conditional)._latents(state, "both turns")
    (second,) = TrainStep(plain, make_augment(plain))._latents(state, "both turns")
    assert torch.equal(first, second)


def test_labels_go_with_conditional_runs() -> None:
    with pytest.raises(AssertionError, match="conditional runs"):
        TrainStep(config_of(), make_augment(config_of()))
    with pytest.raises(AssertionError, match="conditional runs"):
        TrainStep(tiny_config(), make_augment(tiny_config()), LABELS)


def caught_gradients(state: TrainingState) -> dict[str, list[Tensor]]:
    """Where the gradients of the next step will lie, which is then not applied."""
    gradients: dict[str, list[Tensor]] = {}

    def catch(name: str, optimizer: torch.optim.Optimizer) -> None:
        def instead(*args: object) -> None:
            gradients[name] = [p.grad.clone() for p in optimizer.param_groups[0]["params"]]

        optimizer.step = instead  # type: ignore[method-assign]

    catch("generator", state.optimizer_g)
    catch("heads", state.optimizer_d)
    return gradients


def test_the_step_gives_the_gradients_of_the_conditional_objectives() -> None:
    """Written out on copies: fakes with the classes drawn for them, reals with their own."""
    config = config_of(augment__policy="")
    state = new_state(config)
    step = step_of(config)
    generator, heads_generator = copy.deepcopy(state.generator), copy.deepcopy(state.generator)
    judge, heads_judge = copy.deepcopy(state.discriminator), copy.deepcopy(state.discriminator)
    (z,), (c,) = step._latents(state, "both turns"), step._fake_classes(state, "both turns")
    assert c is not None and len(set(c.tolist())) > 1
    gradients = caught_gradients(state)
    step(state, reals(), REAL_CLASSES)

    judge.train().requires_grad_(False)
    hinge_generator_loss(judge(generator.train()(z, c), c)).backward()
    for mine, grad in zip(generator.parameters(), gradients["generator"], strict=True):
        torch.testing.assert_close(grad, mine.grad, rtol=1e-3, atol=1e-6)

    with torch.no_grad():
        fake = heads_generator.train()(z, c)
    heads_judge.train()
    hinge_fake_loss(heads_judge(fake, c)).backward()
    hinge_real_loss(heads_judge(to_float(reals()), REAL_CLASSES)).backward()
    for mine, grad in zip(heads_judge.trainable_parameters(), gradients["heads"], strict=True):
        torch.testing.assert_close(grad, mine.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_accumulation_keeps_labels_with_their_pictures(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms in eval mode: there, 2 x 2 images give the update of 1 x 4."""
    monkeypatch.setattr(torch.nn.Module, "train", lambda self, mode=True: self)
    results = []
    for micro in ("4", "2"):
        config = config_of(training__step=mode, training__micro_batch=micro, augment__policy="")
        state = new_state(config)
        for network in (state.generator, state.discriminator):
            for module in network.modules():
                module.training = False
        gradients = caught_gradients(state)
        step_of(config)(state, reals(), REAL_CLASSES)
        results.append(gradients)
    for name in ("generator", "heads"):
        for whole, parts in zip(results[0][name], results[1][name], strict=True):
            # Rounding may flip an activation, of which a class with one picture feels much.
            assert (whole - parts).norm() <= 1e-2 * whole.norm() + 1e-8


@pytest.mark.parametrize("name", ["fastgan-lite", "fastgan"])
def test_every_activation_stays_channels_last(name: str) -> None:
    config = config_of(training__precision="bf16", generator__name=name)
    state = new_state(config)
    strays, seen = [], []

    def look(module: torch.nn.Module, inputs: object, output: object) -> None:
        if isinstance(output, Tensor) and output.dim() == 4:
            seen.append(output.dtype)
            if not output.is_contiguous(memory_format=torch.channels_last):
                strays.append(f"{type(module).__name__} {tuple(output.shape)}")

    for network in (state.generator, state.discriminator):
        for module in network.modules():
            module.register_forward_hook(look)
    step_of(config)(state, reals(), REAL_CLASSES)
    assert torch.bfloat16 in seen and not strays, strays[:5]
