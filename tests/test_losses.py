import math

import pytest
import torch

from projgan.losses import (
    hinge_fake_loss,
    hinge_generator_loss,
    hinge_real_loss,
    logistic_fake_loss,
    logistic_generator_loss,
    logistic_real_loss,
    r1_penalty,
)

LOGITS = torch.tensor([[2.0, 0.5, -0.5], [-1.0, -3.0, 1.0]])


def test_generator_loss_by_hand():
    # -(2 + 0.5 - 0.5 - 1 - 3 + 1) / 6
    assert hinge_generator_loss(LOGITS).item() == pytest.approx(1 / 6)


def test_fake_loss_by_hand():
    # (3 + 1.5 + 0.5 + 0 + 0 + 2) / 6: logits up to -1 cost nothing
    assert hinge_fake_loss(LOGITS).item() == pytest.approx(7 / 6)


def test_real_loss_by_hand():
    # (0 + 0.5 + 1.5 + 2 + 4 + 0) / 6: logits from 1 cost nothing
    assert hinge_real_loss(LOGITS).item() == pytest.approx(8 / 6)


def test_undecided_discriminator_costs_one_each():
    zeros = torch.zeros(4, 100)
    assert hinge_fake_loss(zeros).item() == 1
    assert hinge_real_loss(zeros).item() == 1
    assert hinge_generator_loss(zeros).item() == 0


def test_gradients_push_the_right_way_and_stop_at_the_margin():
    gradients = {}
    for loss in (hinge_generator_loss, hinge_fake_loss, hinge_real_loss):
        logits = LOGITS.clone().requires_grad_()
        loss(logits).backward()
        gradients[loss] = (6 * logits.grad).round().int().tolist()
    assert gradients[hinge_generator_loss] == [[-1, -1, -1], [-1, -1, -1]]
    assert gradients[hinge_fake_loss] == [[1, 1, 1], [0, 0, 1]]
    assert gradients[hinge_real_loss] == [[0, -1, -1], [-1, -1, 0]]


@pytest.mark.parametrize("loss", [hinge_generator_loss, hinge_fake_loss, hinge_real_loss])
def test_low_precision_logits_are_averaged_in_float32(loss):
    logits = (torch.rand(64, 100, generator=torch.Generator().manual_seed(0)) - 0.5).bfloat16()
    result = loss(logits)
    assert result.dtype == torch.float32
    assert result.shape == ()
    torch.testing.assert_close(result, loss(logits.double()), rtol=1e-6, atol=1e-7)


def test_logistic_losses_by_hand():
    logits = torch.tensor([[0.0, 1.0], [-2.0, 3.0]])
    up = sum(math.log(1 + math.exp(-value)) for value in (0, 1, -2, 3)) / 4
    down = sum(math.log(1 + math.exp(value)) for value in (0, 1, -2, 3)) / 4
    assert logistic_generator_loss(logits).item() == pytest.approx(up)
    assert logistic_real_loss(logits).item() == pytest.approx(up)
    assert logistic_fake_loss(logits).item() == pytest.approx(down)


def test_the_generators_logistic_loss_does_not_saturate():
    """Where the discriminator is sure that a picture is a fake, the generator learns the most."""
    logits = torch.tensor([[-20.0], [0.0], [20.0]], requires_grad=True)
    logistic_generator_loss(logits).backward()
    assert (3 * logits.grad).flatten().tolist() == pytest.approx([-1.0, -0.5, 0.0], abs=1e-6)


def test_r1_of_a_linear_judge_is_the_square_of_its_weights():
    weight = torch.tensor([[1.0, -2.0], [0.5, 0.0]]).view(1, 1, 2, 2)
    images = torch.randn(3, 1, 2, 2, generator=torch.Generator().manual_seed(0)).requires_grad_()
    logits = (images * weight).sum(dim=(1, 2, 3))[:, None]
    assert r1_penalty(logits, images).item() == pytest.approx(1 + 4 + 0.25)
    two_logits = torch.cat([logits, 2 * logits], dim=1)  # their sum has three times the slope
    assert r1_penalty(two_logits, images).item() == pytest.approx(9 * 5.25)


def test_r1_of_a_square_and_its_gradient():
    """The judge a * |x|^2 has the slope 2 a x: R1 is 4 a^2 mean |x|^2, and d R1 / d a is 2 / a."""
    images = torch.tensor([[1.0, 2.0], [3.0, 4.0]]).view(2, 1, 1, 2).requires_grad_()
    a = torch.tensor(0.5, requires_grad=True)
    logits = a * images.square().sum(dim=(1, 2, 3))[:, None]
    penalty = r1_penalty(logits, images)
    assert penalty.item() == pytest.approx(4 * 0.25 * (5 + 25) / 2)
    penalty.backward()
    assert a.grad.item() == pytest.approx(8 * 0.5 * 15)
