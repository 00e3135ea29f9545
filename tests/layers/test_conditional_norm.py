"""Conditional batch normalisation against its formula, and linear spectral norm in it."""

import pytest
import torch
from torch import nn

from projgan.layers.conditional_norm import ConditionalBatchNorm2d

FORMATS = [torch.contiguous_format, torch.channels_last]


def make() -> ConditionalBatchNorm2d:
    torch.manual_seed(0)
    return ConditionalBatchNorm2d(6, label_dim=5)


def effective(linear: nn.Module) -> torch.Tensor:
    """The weight over its largest singular value, which the layer's vectors then have found."""
    for _ in range(200):
        linear._power_iteration()
    return linear.weight / torch.linalg.matrix_norm(linear.weight, 2)


@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_it_is_its_formula(training, memory_format):
    layer = make()
    for seed in range(3):
        layer(3 * torch.randn(8, 6, 4, 4) + seed, torch.randn(8, 5))
    layer.train(training)
    x = (2 * torch.randn(4, 6, 4, 4) - 1).to(memory_format=memory_format)
    e = torch.randn(4, 5)
    mean, var = x.mean((0, 2, 3)), x.var((0, 2, 3), correction=0)
    if not training:
        mean, var = layer.norm.running_mean.clone(), layer.norm.running_var.clone()
    normalized = (x - mean[:, None, None]) / torch.sqrt(var[:, None, None] + 1e-5)
    gain = e @ effective(layer.gain).T + layer.gain.bias
    bias = e @ effective(layer.bias).T + layer.bias.bias
    expected = normalized * (1 + gain)[:, :, None, None] + bias[:, :, None, None]
    result = layer(x, e)
    torch.testing.assert_close(result, expected)
    assert result.is_contiguous(memory_format=memory_format)


def test_samples_of_a_batch_differ_by_their_classes_alone():
    layer = make().eval()
    x = torch.randn(1, 6, 4, 4).expand(3, -1, -1, -1)
    e = torch.randn(2, 5)[[0, 1, 0]]
    result = layer(x, e)
    torch.testing.assert_close(result[0], result[2])
    assert not torch.allclose(result[0], result[1])


def test_bf16_maps_stay_bf16_and_the_label_s_part_is_float32():
    layer = make()
    seen = []
    for linear in (layer.gain, layer.bias):
        linear.register_forward_hook(lambda module, inputs, output: seen.append(output.dtype))
    x = torch.randn(4, 6, 4, 4).to(torch.bfloat16, memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        result = layer(x, torch.randn(4, 5))
    assert result.dtype == torch.bfloat16
    assert result.is_contiguous(memory_format=torch.channels_last)
    assert seen == [torch.float32] * 2


def test_statistics_have_no_weights_and_everything_else_learns():
    layer = make()
    assert {name for name, _ in layer.named_parameters()} == {
        "gain.weight",
        "gain.bias",
        "bias.weight",
        "bias.bias",
    }
    layer(torch.randn(4, 6, 4, 4), torch.randn(4, 5)).square().sum().backward()
    assert all(p.grad is not None and p.grad.any() for p in layer.parameters())
