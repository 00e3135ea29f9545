import pytest
import torch

from projgan.layers.minibatch_std import MinibatchStd, group_size


def test_by_hand():
    """Two pictures of one channel, 1x2 px: values 1, 5 and 4, 5; and two that are alike."""
    x = torch.tensor([[1.0, 5.0], [4.0, 5.0], [7.0, 7.0], [7.0, 7.0]]).view(4, 1, 1, 2)
    out = MinibatchStd(group=2)(x)
    assert out.shape == (4, 2, 1, 2)
    assert torch.equal(out[:, :1], x)
    # Of 1 and 4: mean 2.5, deviation 1.5; of 5 and 5: 0. Their mean is 0.75.
    expected = torch.tensor([0.75, 0.75, 0.0, 0.0]).view(4, 1, 1, 1).expand(4, 1, 1, 2)
    torch.testing.assert_close(out[:, 1:], expected, rtol=0, atol=2e-4)


def test_the_mean_goes_over_channels_and_positions_too():
    x = torch.zeros(4, 3, 2, 2)
    x[1, 2, 0, 1] = 4.0  # one of 4 samples: mean 1, deviation sqrt((3 + 9) / 4)
    out = MinibatchStd()(x)
    torch.testing.assert_close(out[:, 3], torch.full((4, 2, 2), 3**0.5 / 12), rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize(
    "batch, size",
    [(1, 1), (2, 2), (3, 3), (4, 4), (5, 5), (6, 3), (7, 7), (8, 4), (9, 3), (10, 2), (25, 5)],
)
def test_groups_divide_any_batch(batch: int, size: int):
    assert group_size(batch) == size
    x = torch.randn(batch, 2, 3, 3, generator=torch.Generator().manual_seed(0))
    out = MinibatchStd()(x)
    assert out.shape == (batch, 3, 3, 3)
    assert len(out[:, 2].unique()) == batch // size
    assert (out[:, 2] > 0.3).all() == (batch > 1)


def test_twice_differentiable():
    x = torch.randn(4, 2, 2, 2, generator=torch.Generator().manual_seed(0)).double()
    layer = MinibatchStd(group=2)

    def spread(x: torch.Tensor) -> torch.Tensor:
        return layer(x)[:, 2, 0, 0]

    assert torch.autograd.gradcheck(spread, (x.requires_grad_(),))
    assert torch.autograd.gradgradcheck(spread, (x,))
