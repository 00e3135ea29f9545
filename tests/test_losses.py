import pytest
import torch

from projgan.losses import hinge_fake_loss, hinge_generator_loss, hinge_real_loss

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
