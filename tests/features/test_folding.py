from __future__ import annotations

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import Tensor, nn

from projgan.features.folding import fold_batch_norms

PICTURE = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))


def stirred(network: nn.Module) -> nn.Module:
    """The network with statistics, scales and shifts far from neutral; evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                if tensor is not None:
                    tensor.data.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.eval().requires_grad_(False)


def fold(network: nn.Module) -> int:
    return fold_batch_norms(network, lambda: [network(PICTURE.double())])


def norms(network: nn.Module) -> int:
    return sum(isinstance(module, nn.BatchNorm2d) for module in network.modules())


class Shared(nn.Module):
    """One convolution before two norms."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 8, 3)
        self.norms = nn.ModuleList([nn.BatchNorm2d(8), nn.BatchNorm2d(8)])

    def forward(self, x: Tensor) -> Tensor:
        return self.norms[0](self.conv(x)) + self.norms[1](self.conv(x))


class Bypass(nn.Module):
    """What the norm gets is also used without it, which no hook can see."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv(x)
        return self.norm(y) + y


class Standardised(nn.Conv2d):
    """A convolution that scales its own weight, as in normaliser-free networks."""

    def forward(self, x: Tensor) -> Tensor:
        return self._conv_forward(x, self.weight / self.weight.std(), self.bias)


def test_folded_network_computes_the_same() -> None:
    network = stirred(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8, eps=1e-3),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=8, bias=True),
            nn.BatchNorm2d(8),
            nn.Conv2d(8, 4, 1),
            nn.BatchNorm2d(4, affine=False),
        )
    )
    before = network(PICTURE)
    assert fold(network) == 3
    assert norms(network) == 0
    torch.testing.assert_close(network(PICTURE), before, rtol=1e-5, atol=1e-5)
    assert all(p.dtype == torch.float32 and not p.requires_grad for p in network.parameters())


def test_activation_of_timm_norm_stays() -> None:
    network = stirred(
        nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), BatchNormAct2d(8, act_layer=nn.ReLU6))
    )
    before = network(9 * PICTURE)
    assert before.min() == 0 and before.max() == 6
    assert fold(network) == 1
    torch.testing.assert_close(network(9 * PICTURE), before, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "network, foldable",
    [
        (nn.Sequential(nn.BatchNorm2d(3)), 0),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(inplace=True), nn.BatchNorm2d(8)), 0),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.BatchNorm2d(8)), 1),
        (Shared(), 0),
        (Bypass(), 0),
        (nn.Sequential(Standardised(3, 8, 3), nn.BatchNorm2d(8)), 0),
        (nn.Sequential(nn.Conv2d(3, 8, 1), nn.GroupNorm(2, 8)), 0),
    ],
    ids=["no convolution", "between", "two norms", "shared", "bypass", "standardised", "other"],
)
def test_only_what_stays_exact_is_folded(network: nn.Module, foldable: int) -> None:
    """The rest is left as it was, to the last bit."""
    stirred(network)
    before, number = network(PICTURE), norms(network)
    names = set(network.state_dict())
    assert fold(network) == foldable
    assert norms(network) == number - foldable
    torch.testing.assert_close(network(PICTURE), before, rtol=1e-5, atol=1e-5)
    if not foldable:
        assert torch.equal(network(PICTURE), before)
        assert set(network.state_dict()) == names


def test_a_network_that_cannot_compute_in_float64_is_left_alone() -> None:
    class Single(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layers = nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8))

        def forward(self, x: Tensor) -> Tensor:
            return self.layers(x.float())

    network = stirred(Single())
    before = network(PICTURE)
    assert fold(network) == 0
    assert torch.equal(network(PICTURE), before)
