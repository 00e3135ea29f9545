import copy

import pytest
import torch
from torch import nn

from projgan.build import make_augment
from projgan.errors import DivergedError
from projgan.images import to_float
from projgan.losses import hinge_fake_loss, hinge_generator_loss, hinge_real_loss
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config

MODES = ("shared", "alternating")


def run_steps(steps: int = 2, **changes: str) -> TrainingState:
    config = tiny_config(**changes)
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    for number in range(steps):
        step(state, reals(config.training.batch, resolution=config.data.resolution, seed=number))
    return state


def tensors(state: TrainingState) -> dict[str, torch.Tensor]:
    found = {}
    for name in ("generator", "generator_ema", "discriminator"):
        for key, value in getattr(state, name).state_dict().items():
            found[f"{name}.{key}"] = value.clone()
    return found


@pytest.mark.parametrize("mode", MODES)
def test_same_seed_same_weights_and_other_seed_others(mode: str) -> None:
    first, again = tensors(run_steps(training__step=mode)), tensors(run_steps(training__step=mode))
    assert all(torch.equal(first[key], again[key]) for key in first)
    other = tensors(run_steps(training__step=mode, training__seed="1"))
    learned = [key for key in first if key.startswith("generator.") and key.endswith("conv.weight")]
    assert learned and not any(torch.equal(first[key], other[key]) for key in learned)


@pytest.mark.parametrize("mode", MODES)
def test_frozen_parts_stay_and_trained_parts_move(mode: str) -> None:
    before, after = (
        tensors(run_steps(0, training__step=mode)),
        tensors(run_steps(2, training__step=mode)),
    )
    for key, value in before.items():
        if key.startswith(("discriminator.features.", "discriminator.projector.")):
            assert torch.equal(value, after[key]), f"{key} moved"
    trained = [
        key
        for key in before
        if key.startswith(("generator.", "discriminator.heads.")) and key.endswith(".weight")
    ]
    moved = [key for key in trained if not torch.equal(before[key], after[key])]
    assert moved == trained


@pytest.mark.parametrize("mode", MODES)
def test_no_gradient_is_left_over(mode: str) -> None:
    state = run_steps(1, training__step=mode)
    for network in (state.generator, state.discriminator):
        assert all(parameter.grad is None for parameter in network.parameters())


@pytest.mark.parametrize("mode", MODES)
def test_counters(mode: str) -> None:
    state = run_steps(3, training__step=mode, training__micro_batch="2")
    assert (state.step, state.images_seen) == (3, 12)
    assert state.averages.count == 3 * 2
    assert set(state.averages.means()) >= {"loss_g", "loss_d", "sign_real", "sign_fake"}


def test_shared_step_gives_the_gradients_of_the_two_objectives() -> None:
    """Against both losses written out on copies of the networks, with nothing shared between
    them."""
    config = tiny_config(augment__policy="")
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    generator, heads_generator = copy.deepcopy(state.generator), copy.deepcopy(state.generator)
    judge, heads_judge = copy.deepcopy(state.discriminator), copy.deepcopy(state.discriminator)
    gradients: dict[str, list[torch.Tensor]] = {}

    def catch(name: str, optimizer: torch.optim.Optimizer) -> None:
        def instead(*args: object) -> None:
            group = optimizer.param_groups[0]["params"]
            gradients[name] = [p.grad.clone() for p in group]

        optimizer.step = instead  # type: ignore[method-assign]

    catch("generator", state.optimizer_g)
    catch("heads", state.optimizer_d)
    (z,) = step._latents(state, "both turns")
    step(state, reals())

    judge.train().requires_grad_(False)
    hinge_generator_loss(judge(generator.train()(z))).backward()
    for mine, grad in zip(generator.parameters(), gradients["generator"], strict=True):
        torch.testing.assert_close(grad, mine.grad, rtol=1e-3, atol=1e-6)

    with torch.no_grad():
        fake = heads_generator.train()(z)
    heads_judge.train()
    hinge_fake_loss(heads_judge(fake)).backward()
    hinge_real_loss(heads_judge(to_float(reals()))).backward()
    for mine, grad in zip(heads_judge.trainable_parameters(), gradients["heads"], strict=True):
        torch.testing.assert_close(grad, mine.grad, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("mode", MODES)
def test_accumulation_equals_the_big_batch_where_samples_do_not_meet(
    mode: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Norms and spectral norms in eval mode: there, 2 x 2 images give the update of 1 x 4."""
    monkeypatch.setattr(nn.Module, "train", lambda self, mode=True: self)
    results = []
    for micro in ("4", "2"):
        config = tiny_config(training__step=mode, training__micro_batch=micro, augment__policy="")
        state = new_state(config)
        for network in (state.generator, state.discriminator):
            for module in network.modules():
                module.training = False
        gradients = {}

        def catch(name: str, optimizer: torch.optim.Optimizer, into: dict = gradients) -> None:
            def instead(*args: object) -> None:
                into[name] = [p.grad.clone() for p in optimizer.param_groups[0]["params"]]

            optimizer.step = instead  # type: ignore[method-assign]

        catch("g", state.optimizer_g)
        catch("d", state.optimizer_d)
        TrainStep(config, make_augment(config))(state, reals())
        results.append(gradients)
    for name in ("g", "d"):
        for whole, parts in zip(results[0][name], results[1][name], strict=True):
            assert (whole - parts).abs().max() <= 1e-4 * whole.abs().max() + 1e-9


def test_sum_is_the_reference_way_of_accumulating() -> None:
    assert (
        TrainStep(tiny_config(training__micro_batch="2"), make_augment(tiny_config())).scale == 0.5
    )
    summed = tiny_config(training__micro_batch="2", training__accumulate="sum")
    assert TrainStep(summed, make_augment(summed)).scale == 1.0


@pytest.mark.parametrize("mode", MODES)
def test_bf16_keeps_parameters_and_moments_in_float32(mode: str) -> None:
    state = run_steps(2, training__step=mode, training__precision="bf16")
    for network in (state.generator, state.discriminator, state.generator_ema):
        assert {p.dtype for p in network.parameters()} == {torch.float32}
        assert all(torch.isfinite(p).all() for p in network.parameters())
    for optimizer in (state.optimizer_g, state.optimizer_d):
        assert all(entry["exp_avg"].dtype == torch.float32 for entry in optimizer.state.values())


@pytest.mark.parametrize("generator", ["fastgan-lite", "fastgan", "stylegan2"])
@pytest.mark.parametrize("mode", MODES)
def test_every_activation_stays_channels_last(mode: str, generator: str) -> None:
    """One layer that loses the format makes the layers behind it many times slower on a CPU."""
    config = tiny_config(training__step=mode, training__precision="bf16", generator__name=generator)
    state = new_state(config)
    strays = []

    def look(name: str):
        def hook(module: nn.Module, inputs: object, output: object) -> None:
            for tensor in output if isinstance(output, (list, tuple)) else [output]:
                is_map = isinstance(tensor, torch.Tensor) and tensor.dim() == 4
                if is_map and not tensor.is_contiguous(memory_format=torch.channels_last):
                    strays.append(f"{name}: {tuple(tensor.shape)} {tensor.stride()}")

        return hook

    for network in (state.generator, state.discriminator):
        for name, module in network.named_modules():
            module.register_forward_hook(look(name))
    TrainStep(config, make_augment(config))(state, reals())
    assert not strays, strays[:5]


@pytest.mark.parametrize("mode", MODES)
def test_the_mean_style_moves_and_the_average_copies_it(mode: str) -> None:
    state = run_steps(3, generator__name="stylegan2", training__step=mode)
    assert state.generator.w_avg.any()
    # Copied, where parameters are averaged.
    assert torch.equal(state.generator_ema.w_avg, state.generator.w_avg)
    pairs = zip(state.generator_ema.parameters(), state.generator.parameters(), strict=True)
    assert not all(torch.equal(average, parameter) for average, parameter in pairs)


def test_a_shared_step_moves_the_mean_style_once() -> None:
    config = tiny_config(generator__name="stylegan2")
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    (z,) = step._latents(state, "both turns")
    with torch.no_grad():
        mean = state.generator.mapping(z).mean(dim=0)
    step(state, reals())
    torch.testing.assert_close(state.generator.w_avg, 0.002 * mean)


@pytest.mark.parametrize("mode", MODES)
def test_a_loss_that_is_not_finite_stops_before_the_update(mode: str) -> None:
    config = tiny_config(training__step=mode)
    state = new_state(config)
    with torch.no_grad():
        state.discriminator.heads.scales[0].logits.weight.fill_(float("nan"))
    before = {key: value.clone() for key, value in state.generator.named_parameters()}
    with pytest.raises(DivergedError, match="generator loss|discriminator loss") as caught:
        TrainStep(config, make_augment(config))(state, reals())
    assert caught.value.exit_code == 6
    assert all(torch.equal(before[key], value) for key, value in state.generator.named_parameters())


def test_fewer_heads_and_every_level_train() -> None:
    for level in ("0", "1", "2"):
        state = run_steps(1, projector__level=level, heads__count="2")
        assert len(state.discriminator.heads.scales) == 2
        assert state.step == 1


def test_a_gradient_that_is_not_finite_is_not_applied() -> None:
    """A loss can be finite where its gradient is not."""
    config = tiny_config()
    state = new_state(config)
    state.generator.to_image.weight.register_hook(lambda gradient: gradient * float("inf"))
    before = {key: value.clone() for key, value in state.generator.named_parameters()}
    with pytest.raises(DivergedError, match="generator gradient"):
        TrainStep(config, make_augment(config))(state, reals())
    assert all(torch.equal(before[key], value) for key, value in state.generator.named_parameters())
