"""The step of discriminators trained from pixels."""

import copy
import dataclasses

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.discriminators.reconstruction import Reconstruction
from projgan.errors import DivergedError
from projgan.images import to_float
from projgan.layers.minibatch_std import MinibatchStd
from projgan.losses import (
    hinge_fake_loss,
    hinge_generator_loss,
    hinge_real_loss,
    logistic_fake_loss,
    logistic_generator_loss,
    logistic_real_loss,
    r1_penalty,
)
from projgan.rng import torch_stream
from projgan.training.objectives import (
    HingeWithReconstruction,
    LogisticWithR1,
    Objective,
    make_objective,
)
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import pixels_config, reals, tiny_config

MODES = ("shared", "alternating")
NAMES = ("fastgan", "stylegan2")
each = pytest.mark.parametrize(("name", "mode"), [(n, m) for n in NAMES for m in MODES])


def run_steps(config: RunConfig, steps: int = 2) -> TrainingState:
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    for number in range(steps):
        step(state, reals(config.training.batch, seed=number))
    return state


def tensors(state: TrainingState) -> dict[str, torch.Tensor]:
    return {
        f"{name}.{key}": value.clone()
        for name in ("generator", "generator_ema", "discriminator")
        for key, value in getattr(state, name).state_dict().items()
    }


def catch_gradients(state: TrainingState) -> dict[str, list[list[torch.Tensor]]]:
    """Instead of updating, every optimiser's step puts its gradients here."""
    caught: dict[str, list[list[torch.Tensor]]] = {"g": [], "d": []}
    for name, optimizer in (("g", state.optimizer_g), ("d", state.optimizer_d)):

        def instead(
            into: list[list[torch.Tensor]] = caught[name],
            parameters: list[nn.Parameter] = optimizer.param_groups[0]["params"],
        ) -> None:
            into.append(
                [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in parameters]
            )

        optimizer.step = instead  # type: ignore[method-assign]
    return caught


def test_the_config_chooses_the_objective() -> None:
    assert type(make_objective(tiny_config())) is Objective
    assert type(make_objective(pixels_config("fastgan"))) is HingeWithReconstruction
    assert type(make_objective(pixels_config("stylegan2"))) is LogisticWithR1


@each
def test_same_seed_same_weights_and_every_weight_moves(name: str, mode: str) -> None:
    config = pixels_config(name, training__step=mode)
    before, after = tensors(run_steps(config, 0)), tensors(run_steps(config))
    again = tensors(run_steps(config))
    assert all(torch.equal(after[key], again[key]) for key in after)
    weights = [key for key in before if key.endswith("weight") and "generator_ema" not in key]
    assert not [key for key in weights if torch.equal(before[key], after[key])]


@each
def test_counters_history_and_no_gradient_left(name: str, mode: str) -> None:
    state = run_steps(pixels_config(name, training__step=mode, training__micro_batch="2"), 3)
    assert (state.step, state.images_seen) == (3, 12)
    assert state.averages.count == 3 * 2
    extra = {"fastgan": "loss_reconstruction", "stylegan2": "loss_r1"}[name]
    means = state.averages.means()
    assert means[extra] > 0
    assert set(means) == {"loss_g", "loss_d", "logits_real", "logits_fake"} | {
        "sign_real",
        "sign_fake",
        "grad_norm_g",
        "grad_norm_d",
        extra,
    }
    for network in (state.generator, state.discriminator):
        assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("name", NAMES)
def test_shared_step_gives_the_gradients_of_the_objectives(name: str) -> None:
    """Against all losses written out on copies of the networks, with nothing shared."""
    config = pixels_config(name, augment__policy="")
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    generator, other_generator = copy.deepcopy(state.generator), copy.deepcopy(state.generator)
    judge, other_judge = copy.deepcopy(state.discriminator), copy.deepcopy(state.discriminator)
    caught = catch_gradients(state)
    (z,) = step._latents(state, "both turns")
    step(state, reals())

    is_hinge = name == "fastgan"
    judge.train().requires_grad_(False)
    generator_loss = hinge_generator_loss if is_hinge else logistic_generator_loss
    generator_loss(judge(generator.train()(z))).backward()
    for mine, grad in zip(generator.parameters(), caught["g"][0], strict=True):
        torch.testing.assert_close(grad, mine.grad, rtol=1e-3, atol=1e-6)

    with torch.no_grad():
        fake = other_generator.train()(z)
    fake_logits = other_judge.train()(fake)
    real = to_float(reals())
    if is_hinge:
        logits, maps = other_judge.judge(real)
        draws = torch_stream(config.training.seed, "reconstructed part", 0, 0)
        place = torch.randint(0, 9, (2,), generator=draws).tolist()
        lost = other_judge.reconstruction(*maps, real, place)
        loss = hinge_fake_loss(fake_logits) + hinge_real_loss(logits) + lost
    else:
        loss = logistic_fake_loss(fake_logits) + logistic_real_loss(other_judge(real))
    loss.backward()
    for mine, grad in zip(other_judge.parameters(), caught["d"][0], strict=True):
        torch.testing.assert_close(grad, mine.grad, rtol=1e-3, atol=1e-6)


def test_alternating_turns_have_latents_of_their_own() -> None:
    """And the discriminator learns from fakes of the generator that has just learned."""
    config = pixels_config("stylegan2", training__step="alternating", discriminator__r1_every="0")
    state = new_state(config)
    step, seen = TrainStep(config, make_augment(config)), []
    first = next(state.generator.parameters())
    state.generator.register_forward_pre_hook(
        lambda module, inputs: seen.append((inputs[0].clone(), first.detach().clone()))
    )
    step(state, reals())
    (latents, weight), (other_latents, other_weight) = seen
    assert not torch.equal(latents, other_latents)
    assert not torch.equal(weight, other_weight)


def test_a_reconstruction_of_weight_zero_is_none() -> None:
    config = pixels_config("fastgan", discriminator__reconstruction="0")
    state = run_steps(config, 1)
    assert "loss_reconstruction" not in state.averages.means()
    before = tensors(run_steps(config, 0))
    for key, value in tensors(state).items():
        if ".reconstruction." in key:
            assert torch.equal(value, before[key])


def test_the_weight_of_the_reconstruction_scales_it() -> None:
    once, twice = (
        run_steps(pixels_config("fastgan", discriminator__reconstruction=weight), 1)
        for weight in ("1", "2")
    )
    ratio = (
        twice.averages.means()["loss_reconstruction"] / once.averages.means()["loss_reconstruction"]
    )
    assert ratio == pytest.approx(2.0)


def test_the_part_that_is_drawn_changes_from_step_to_step(monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    right = Reconstruction.forward

    def spy(self, map_16, map_8, images, corner):
        places.append(corner)
        return right(self, map_16, map_8, images, corner)

    monkeypatch.setattr(Reconstruction, "forward", spy)
    run_steps(pixels_config("fastgan", training__micro_batch="2"), 4)
    assert len(places) == 8 and len(set(places)) > 4


@pytest.mark.parametrize("mode", MODES)
def test_r1_is_an_update_of_its_own_every_few_steps(mode: str) -> None:
    """Its gradient is that of gamma / 2 times R1, times the steps between; around the reals."""
    settings = {"discriminator__r1_every": "3", "discriminator__r1_gamma": "4"}
    config = pixels_config("stylegan2", training__step=mode, augment__policy="", **settings)
    state = new_state(config)
    judge = copy.deepcopy(state.discriminator)
    caught = catch_gradients(state)
    step, counts, means = TrainStep(config, make_augment(config)), [], []
    for number in range(7):
        step(state, reals(seed=number))
        counts.append(len(caught["d"]))
        means.append(state.averages.means().get("loss_r1"))
        state.averages.clear()
    assert counts == [2, 3, 4, 6, 7, 8, 10]
    assert [value is not None for value in means] == [True, False, False, True, False, False, True]

    images = to_float(reals(seed=0)).requires_grad_()
    penalty = 4 / 2 * r1_penalty(judge(images), images)
    (3 * penalty).backward()
    assert means[0] == pytest.approx(penalty.item(), rel=1e-4)
    for mine, grad in zip(judge.parameters(), caught["d"][1], strict=True):
        expected = torch.zeros_like(mine) if mine.grad is None else mine.grad
        torch.testing.assert_close(grad, expected, rtol=1e-3, atol=1e-6)


def test_schedule_of_r1() -> None:
    def due(**changes: str) -> list[int]:
        objective = LogisticWithR1(pixels_config("stylegan2", **changes))
        return [step for step in range(40) if objective.is_penalty_due(step)]

    assert due() == [0, 16, 32]
    assert due(discriminator__r1_every="15") == [0, 15, 30]
    assert due(discriminator__r1_every="0") == []


def test_r1_is_in_float32_where_the_rest_is_bf16() -> None:
    config = pixels_config("stylegan2", training__precision="bf16")
    state, types = new_state(config), []
    state.discriminator.blocks[0].conv.register_forward_hook(
        lambda module, inputs, output: types.append(output.dtype)
    )
    step = TrainStep(config, make_augment(config))
    step(state, reals())
    assert types == [torch.bfloat16, torch.bfloat16, torch.float32]
    step(state, reals())
    assert types[3:] == [torch.bfloat16, torch.bfloat16]


def test_adam_of_a_lazy_penalty() -> None:
    """StyleGAN2, appendix B: 17 updates in 16 steps move as far as 16 would."""
    settings = {"optimizer__lr_d": "0.002", "optimizer__beta1": "0.5"}
    group = new_state(pixels_config("stylegan2", **settings)).optimizer_d.param_groups[0]
    assert group["lr"] == pytest.approx(0.002 * 16 / 17)
    assert group["betas"] == pytest.approx((0.5 ** (16 / 17), 0.99 ** (16 / 17)))
    without = pixels_config("stylegan2", discriminator__r1_every="0", **settings)
    for config in (without, pixels_config("fastgan", **settings)):
        group = new_state(config).optimizer_d.param_groups[0]
        assert (group["lr"], group["betas"]) == (0.002, (0.5, 0.99))
    state = new_state(pixels_config("stylegan2", **settings))
    assert state.optimizer_g.param_groups[0]["betas"] == (0.5, 0.99)


@each
def test_accumulation_equals_the_big_batch_where_samples_do_not_meet(
    name: str, mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms in eval mode and no comparison within the batch: 2 x 2 images act as 1 x 4."""
    monkeypatch.setattr(nn.Module, "train", lambda self, mode=True: self)
    monkeypatch.setattr(MinibatchStd, "forward", lambda self, x: F.pad(x, (0, 0, 0, 0, 0, 1)))
    monkeypatch.setattr(torch, "randint", lambda low, high, size, generator: torch.tensor([1, 2]))
    results = []
    for micro in ("4", "2"):
        config = pixels_config(
            name, training__step=mode, training__micro_batch=micro, augment__policy=""
        )
        state = new_state(config)
        for network in (state.generator, state.discriminator):
            for module in network.modules():
                module.training = False
        caught = catch_gradients(state)
        TrainStep(config, make_augment(config))(state, reals())
        results.append(caught)
    for network in ("g", "d"):
        assert len(results[0][network]) == (2 if network == "d" and name == "stylegan2" else 1)
        for whole, parts in zip(results[0][network], results[1][network], strict=True):
            for one, other in zip(whole, parts, strict=True):
                assert (one - other).abs().max() <= 1e-4 * one.abs().max() + 1e-7


@each
def test_bf16_keeps_parameters_and_moments_in_float32(name: str, mode: str) -> None:
    state = run_steps(pixels_config(name, training__step=mode, training__precision="bf16"))
    for network in (state.generator, state.discriminator, state.generator_ema):
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert all(torch.isfinite(p).all() for p in network.parameters())
    for optimizer in (state.optimizer_g, state.optimizer_d):
        assert all(entry["exp_avg"].dtype == torch.float32 for entry in optimizer.state.values())


@pytest.mark.parametrize("name", NAMES)
def test_every_activation_stays_channels_last(name: str) -> None:
    """One layer that loses the format makes the layers behind it many times slower on a CPU."""
    config = pixels_config(name, training__precision="bf16", data__resolution="64")
    state = new_state(config)
    strays = []

    def look(name: str):
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            is_map = isinstance(output, torch.Tensor) and output.dim() == 4
            if is_map and not output.is_contiguous(memory_format=torch.channels_last):
                strays.append(f"{name}: {tuple(output.shape)} {output.stride()}")

        return hook

    for network in (state.generator, state.discriminator):
        for key, module in network.named_modules():
            module.register_forward_hook(look(key))
    TrainStep(config, make_augment(config))(state, reals(resolution=64))
    assert not strays, strays[:5]


@each
def test_augmentation_reaches_reals_and_fakes_and_p_is_steered(name: str, mode: str) -> None:
    config = pixels_config(
        name,
        training__step=mode,
        augment__policy="translation",
        augment__adaptive="color",
        augment__controller="ada",
        augment__kimg="0.1",
    )
    augment, seen = make_augment(config), []
    state = new_state(config)
    right = type(augment).__call__

    class Spy(type(augment)):
        def __call__(self, images: torch.Tensor, *, generator: torch.Generator) -> torch.Tensor:
            out = right(self, images, generator=generator)
            seen.append((self.p, images.requires_grad, not torch.equal(out, images)))
            return out

    augment.__class__ = Spy
    step = TrainStep(config, augment)
    for number in range(5):
        step(state, reals(seed=number))
    assert all(changed for _, _, changed in seen)
    assert {with_gradient for _, with_gradient, _ in seen} == {True, False}
    assert {p for p, _, _ in seen} == {0.5, state.controller.p}
    assert abs(state.controller.p - 0.5) == pytest.approx(16 / 100)


@each
def test_a_loss_that_is_not_finite_stops_before_the_update(name: str, mode: str) -> None:
    state = new_state(config := pixels_config(name, training__step=mode))
    with torch.no_grad():
        next(state.discriminator.parameters()).fill_(float("nan"))
    before = {key: value.clone() for key, value in state.generator.named_parameters()}
    with pytest.raises(DivergedError, match="generator loss|discriminator loss"):
        TrainStep(config, make_augment(config))(state, reals())
    assert all(torch.equal(before[key], value) for key, value in state.generator.named_parameters())


def test_a_penalty_that_is_not_finite_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    config = pixels_config("stylegan2")
    config = dataclasses.replace(
        config, discriminator=dataclasses.replace(config.discriminator, r1_gamma=1e38)
    )
    with pytest.raises(DivergedError, match="penalty"):
        run_steps(config, 1)
