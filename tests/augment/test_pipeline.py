import math

import pytest
import torch

from projgan.augment import Augment
from projgan.augment.controllers import AdaController, BalanceController, Controller
from projgan.augment.geometry import flip, rotate, rotate90, scale
from projgan.augment.operations import OPERATIONS
from projgan.errors import UsageError


def pictures(count: int = 4, size: int = 16, *, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    stream = torch.Generator().manual_seed(0)
    return (torch.rand(count, 3, size, size, generator=stream) * 2 - 1).to(dtype)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", list(OPERATIONS))
def test_p_is_drawn_for_every_sample_and_the_others_stay_bit_exact(name: str) -> None:
    images = pictures(400, 8)
    out = Augment((), adaptive=(name,), p=0.3)(images, generator=seeded())
    is_same = (out == images).flatten(1).all(1)
    always = Augment((name,))(images, generator=seeded(1))
    idle = (always == images).flatten(1).all(1).float().mean()  # an identity draw, such as no flip
    expected = 1 - 0.3 * (1 - idle)
    assert abs(is_same.float().mean() - expected) < 0.07


def test_operations_are_chosen_independently() -> None:
    images = pictures(2000, 8)
    out = Augment((), adaptive=("cutout", "color"), p=0.5)(images, generator=seeded())
    is_same = (out == images).flatten(1).all(1).float().mean()
    assert abs(is_same - 0.25) < 0.04


@pytest.mark.parametrize("p", [0.0, 1.0])
def test_the_ends_of_p(p: float) -> None:
    images = pictures()
    augment = Augment((), adaptive=("color",), p=p)
    out = augment(images, generator=seeded())
    is_same = (out == images).flatten(1).all(1)
    assert is_same.all() if p == 0.0 else not is_same.any()


def test_p_never_shifts_the_other_draws() -> None:
    images = pictures()
    first, second = (
        Augment((), adaptive=("cutout", "flip"), p=p)(images, generator=seeded(3))
        for p in (0.99, 1.0)
    )
    assert torch.equal(first, second)


def test_flip_and_quarter_turns_against_torch() -> None:
    images = pictures()
    flipped = flip(images, torch.tensor([True, False, True, False]))
    assert torch.equal(flipped[0], images[0].flip(2)) and torch.equal(flipped[1], images[1])
    turned = rotate90(images, torch.tensor([0, 1, 2, 3]))
    for number in range(4):
        assert torch.equal(turned[number], images[number].rot90(number, (1, 2)))


def test_a_rotation_by_a_quarter_is_a_quarter_turn() -> None:
    images = pictures()
    turned = rotate(images, torch.full((4,), math.pi / 2))
    torch.testing.assert_close(turned, images.rot90(1, (2, 3)), rtol=1e-4, atol=1e-4)


def test_turning_a_rectangle_keeps_angles_and_lengths() -> None:
    """A quarter turn, so that what fits can be compared pixel by pixel."""
    wide = torch.zeros(1, 1, 32, 64)
    wide[0, 0, 4:28, 20:44] = torch.rand(24, 24)
    turned = rotate(wide, torch.tensor([math.pi / 2]))
    expected = torch.rot90(wide[:, :, :, 16:48], 1, (2, 3))
    assert torch.allclose(turned[:, :, :, 16:48], expected, atol=1e-4)
    assert turned[..., :16].abs().max() < 1e-4
    with pytest.raises(AssertionError, match="quarter"):
        rotate90(wide, torch.tensor([1]))


def test_scaling_by_two_shows_the_middle() -> None:
    images = torch.zeros(1, 3, 16, 16)
    images[:, :, 4:12, 4:12] = 1.0
    big = scale(images, torch.tensor([2.0]))
    assert big[:, :, 1:-1, 1:-1].min() == 1.0
    small = scale(images, torch.tensor([0.5]))
    assert small.sum() == pytest.approx(float(images.sum()) / 4, rel=0.01)
    torch.testing.assert_close(scale(images, torch.tensor([1.0])), images)


@pytest.mark.parametrize("name", ["flip", "rotate90", "rotation", "scale"])
def test_geometry_passes_gradients_and_keeps_the_format(name: str) -> None:
    images = pictures(2, 6, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: OPERATIONS[name](x, seeded()), images)
    last = pictures().to(memory_format=torch.channels_last)
    out = Augment((), adaptive=(name,), p=0.5)(last, generator=seeded())
    assert out.is_contiguous(memory_format=torch.channels_last)
    assert OPERATIONS[name](last.bfloat16(), seeded()).dtype == torch.bfloat16


def test_unknown_operations_are_refused() -> None:
    with pytest.raises(UsageError, match="rotation"):
        Augment((), adaptive=("blur",))


def observe(controller: Controller, steps: int, **values: float) -> float:
    defaults = {"loss_real": 1.0, "loss_fake": 1.0, "sign_real": 0.0}
    for _ in range(steps):
        controller.observe(**(defaults | values), batch=10)
    return controller.p


def test_without_a_controller_p_stays() -> None:
    assert observe(Controller(p=0.3), 100, loss_fake=9.0) == 0.3
    assert not Controller.is_steering


def test_balance_raises_p_while_reals_lose_more() -> None:
    """And lets it fall where the generator leads: then fakes are taken for real and lose more."""
    assert observe(BalanceController(p=0.5, kimg=1.0), 20, loss_real=1.5) == pytest.approx(0.7)
    assert observe(BalanceController(p=0.5, kimg=1.0), 20, loss_fake=1.5) == pytest.approx(0.3)
    assert observe(BalanceController(p=0.5, kimg=1.0), 20) == 0.5


def test_ada_aims_at_the_sign_of_the_reals() -> None:
    assert observe(AdaController(p=0.5, kimg=1.0), 20, sign_real=0.9) == pytest.approx(0.7)
    assert observe(AdaController(p=0.5, kimg=1.0), 20, sign_real=0.5) == pytest.approx(0.3)


def test_p_stays_between_0_and_1_and_moves_at_the_given_speed() -> None:
    """From 0 to 1 in `kimg` thousand images: 100 steps of 10."""
    controller = BalanceController(p=0.0, kimg=1.0)
    assert observe(controller, 50, loss_real=2.0) == pytest.approx(0.48, abs=0.03)
    assert observe(controller, 500, loss_real=2.0) == 1.0
    assert observe(controller, 500, loss_fake=2.0) == 0.0


def test_a_controller_goes_on_exactly_from_its_state() -> None:
    whole, first = BalanceController(kimg=1.0), BalanceController(kimg=1.0)
    observe(whole, 6, loss_real=1.2)
    observe(first, 6, loss_real=1.2)
    second = BalanceController(kimg=1.0)
    second.load_state_dict(first.state_dict())
    assert observe(second, 3, loss_fake=1.3) == observe(whole, 3, loss_fake=1.3)
    assert second.state_dict() == whole.state_dict()
