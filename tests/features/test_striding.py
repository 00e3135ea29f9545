"""Strided depthwise convolutions computed the other way: the same numbers, names and gradients."""

from __future__ import annotations

import copy

import pytest
import torch
from timm.layers import Conv2dSame
from torch import nn

from projgan.features.backbones import FeatureNetwork
from projgan.features.striding import densify_strided_depthwise

LAYERS = {
    "padded": lambda: nn.Conv2d(6, 6, 3, stride=2, padding=1, groups=6),
    "unpadded": lambda: nn.Conv2d(6, 6, 3, stride=2, groups=6, bias=False),
    "same": lambda: Conv2dSame(6, 6, 5, stride=2, groups=6),
    "multiplied": lambda: nn.Conv2d(6, 12, 3, stride=(2, 3), padding=(1, 2), groups=6),
    "dilated": lambda: nn.Conv2d(6, 6, 3, stride=2, padding=2, dilation=2, groups=6),
}


@pytest.mark.parametrize("name", LAYERS)
@pytest.mark.parametrize("side", [12, 15])
def test_values_and_gradients_stay(name: str, side: int) -> None:
    torch.manual_seed(0)
    before = nn.Sequential(LAYERS[name]())
    after = copy.deepcopy(before)
    assert densify_strided_depthwise(after) == 1
    assert list(after.state_dict()) == list(before.state_dict())

    x = torch.randn(2, 6, side, side + 2).contiguous(memory_format=torch.channels_last)
    gradients, outputs = [], []
    for network in (before, after):
        leaf = x.clone().requires_grad_()
        out = network(leaf)
        (out * torch.arange(out.numel()).view_as(out)).sum().backward()
        outputs.append(out)
        gradients.append(leaf.grad)
    torch.testing.assert_close(outputs[1], outputs[0])
    torch.testing.assert_close(gradients[1], gradients[0])
    assert outputs[1].is_contiguous(memory_format=torch.channels_last)


def test_only_strided_depthwise_layers_are_replaced() -> None:
    class Other(nn.Conv2d):
        pass

    network = nn.Sequential(
        nn.Conv2d(6, 6, 3, groups=6),
        nn.Conv2d(6, 6, 3, stride=2),
        nn.Conv2d(6, 6, 3, stride=2, groups=3),
        Other(6, 6, 3, stride=2, groups=6),
    )
    assert densify_strided_depthwise(network) == 0
    assert [type(m) for m in network] == [nn.Conv2d, nn.Conv2d, nn.Conv2d, Other]


def test_the_feature_network_has_none_left() -> None:
    network = FeatureNetwork("lite0", pretrained=False).network
    left = [
        m
        for m in network.modules()
        if type(m).__name__ in ("Conv2d", "Conv2dSame")
        and m.groups == m.in_channels > 1
        and m.stride != (1, 1)
    ]
    assert left == []
