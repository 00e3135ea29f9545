from __future__ import annotations

import pytest
import torch
from timm.layers import BatchNormAct2d
from torch import nn

from projgan.features.folding import fold_batch_norms


def stirred(network: nn.Sequential) -> nn.Sequential:
    """The network with statistics, scales and shifts far from neutral; evaluation mode."""
    generator = torch.Generator().manual_seed(0)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            for tensor in (module.weight, module.bias, module.running_mean):
                tensor.data.normal_(generator=generator)
            module.running_var.uniform_(0.5, 2.0, generator=generator)
    return network.eval().requires_grad_(False)


def test_folded_network_computes_the_same() -> None:
    network = stirred(
        nn.Sequential(
            nn.Conv2d(3, 8, 3, bias=False),
            nn.BatchNorm2d(8, eps=1e-3),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, groups=8, bias=True),
            nn.BatchNorm2d(8),
        )
    )
    x = torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    before = network(x)
    fold_batch_norms(network)
    assert not any(isinstance(module, nn.BatchNorm2d) for module in network.modules())
    torch.testing.assert_close(network(x), before, rtol=1e-5, atol=1e-5)


def test_activation_of_timm_norm_stays() -> None:
    network = stirred(
        nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), BatchNormAct2d(8, act_layer=nn.ReLU6))
    )
    x = 9 * torch.randn(2, 3, 12, 12, generator=torch.Generator().manual_seed(1))
    before = network(x)
    assert before.min() == 0 and before.max() == 6
    fold_batch_norms(network)
    torch.testing.assert_close(network(x), before, rtol=1e-5, atol=1e-5)


def test_folded_weights_ask_for_no_gradient() -> None:
    network = stirred(nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8)))
    fold_batch_norms(network)
    assert not any(parameter.requires_grad for parameter in network.parameters())


@pytest.mark.parametrize(
    "network",
    [
        nn.Sequential(nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(3)),
        nn.Sequential(nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8), nn.BatchNorm2d(8)),
    ],
    ids=["no convolution", "other width", "two norms"],
)
def test_what_cannot_be_folded_is_refused(network: nn.Sequential) -> None:
    with pytest.raises(AssertionError):
        fold_batch_norms(network)
