import torch

from projgan.layers.activation import scaled_leaky_relu


def test_values():
    x = torch.tensor([-2.0, 0.0, 3.0])
    torch.testing.assert_close(
        scaled_leaky_relu(x), torch.tensor([-0.4, 0.0, 3.0]) * torch.tensor(2.0).sqrt()
    )


def test_keeps_the_mean_square_of_normal_values():
    x = torch.randn(100_000, generator=torch.Generator().manual_seed(0))
    # Half of it comes whole and half shrunk to a 25th, twice as large: 1.04.
    assert abs(scaled_leaky_relu(x).square().mean() - 1.04) < 0.02
