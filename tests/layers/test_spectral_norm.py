"""Spectral norm against PyTorch's own (classic) implementation, and what ours adds to it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from projgan.layers.spectral_norm import (
    SpectralNormConv2d,
    SpectralNormConvTranspose2d,
    SpectralNormLinear,
)

FORMATS = [torch.contiguous_format, torch.channels_last]


def make(kind: str) -> nn.Module:
    return {
        "plain": lambda: SpectralNormConv2d(4, 6, 3, stride=2, padding=1, bias=True),
        "depthwise": lambda: SpectralNormConv2d(4, 4, 3, padding=1, groups=4),
        "pointwise": lambda: SpectralNormConv2d(4, 6, 1),
        "transposed": lambda: SpectralNormConvTranspose2d(4, 6, 4, stride=2, padding=1),
    }[kind]()


def classic_twin(ours: nn.Module) -> nn.Module:
    """PyTorch's layer with the same weight and vectors."""
    plain = nn.ConvTranspose2d if isinstance(ours, nn.ConvTranspose2d) else nn.Conv2d
    twin = plain(
        ours.in_channels,
        ours.out_channels,
        ours.kernel_size,
        stride=ours.stride,
        padding=ours.padding,
        groups=ours.groups,
        bias=ours.bias is not None,
    ).to(ours.weight.dtype)
    twin.load_state_dict({name: p.detach() for name, p in ours.named_parameters()})
    twin = nn.utils.spectral_norm(twin)
    twin.weight_u.copy_(ours.u)
    twin.weight_v.copy_(ours.v)
    return twin


@pytest.mark.parametrize("kind", ["plain", "depthwise", "pointwise", "transposed"])
@pytest.mark.parametrize("memory_format", FORMATS)
def test_equals_the_classic_form(kind, memory_format):
    torch.manual_seed(0)
    layer = make(kind).double().to(memory_format=memory_format)
    twin = classic_twin(layer)
    x = torch.randn(2, 4, 8, 8, dtype=torch.float64).contiguous(memory_format=memory_format)
    for _ in range(3):
        torch.testing.assert_close(layer(x), twin(x))
    # Two forwards before one backward, as real and fake batches pass through a head.
    (layer(x).square().sum() + layer(x + 1).sum()).backward()
    (twin(x).square().sum() + twin(x + 1).sum()).backward()
    torch.testing.assert_close(layer.weight.grad, twin.weight_orig.grad)
    torch.testing.assert_close(layer.u, twin.weight_u)
    torch.testing.assert_close(layer.v, twin.weight_v)
    torch.testing.assert_close(layer.eval()(x), twin.eval()(x))


@pytest.mark.parametrize("kind", ["plain", "transposed"])
def test_gradient_may_come_in_another_memory_format(kind):
    layer = make(kind).double().to(memory_format=torch.channels_last)
    twin = make(kind).double()
    twin.load_state_dict(layer.state_dict())
    gradient = torch.randn(layer.weight.shape, dtype=torch.float64)
    assert gradient.is_contiguous()
    for each in (layer, twin):
        each.normalized_weight().backward(gradient)
    torch.testing.assert_close(layer.weight.grad, twin.weight.grad)


@pytest.mark.parametrize("kind", ["plain", "transposed"])
def test_largest_singular_value_becomes_one(kind):
    torch.manual_seed(0)
    layer = make(kind)
    for _ in range(200):
        weight = layer.normalized_weight()
    matrix = weight.transpose(0, 1) if kind == "transposed" else weight
    largest = torch.linalg.matrix_norm(matrix.flatten(1), ord=2)
    torch.testing.assert_close(largest, torch.tensor(1.0), rtol=1e-4, atol=0)


def test_starts_like_a_plain_convolution_with_random_unit_vectors():
    torch.manual_seed(5)
    layer = SpectralNormConv2d(4, 6, 3, bias=True)
    torch.manual_seed(5)
    plain = nn.Conv2d(4, 6, 3)
    assert torch.equal(layer.weight, plain.weight)
    assert torch.equal(layer.bias, plain.bias)
    for vector, length in ((layer.u, 6), (layer.v, 36)):
        assert vector.shape == (length,)
        torch.testing.assert_close(vector.norm(), torch.tensor(1.0))
        assert (vector < 0).any()
        assert (vector > 0).any()


def test_evaluation_uses_stored_vectors_even_if_sigma_is_negative():
    layer = SpectralNormConv2d(4, 6, 3).eval()
    layer.u.copy_(-layer.u if layer.weight.flatten(1).mv(layer.v).dot(layer.u) > 0 else layer.u)
    sigma = layer.u @ layer.weight.flatten(1) @ layer.v
    assert sigma < 0
    before = layer.u.clone(), layer.v.clone()
    x = torch.randn(1, 4, 5, 5)
    torch.testing.assert_close(layer(x), F.conv2d(x, layer.weight / sigma))
    assert torch.equal(layer.u, before[0])
    assert torch.equal(layer.v, before[1])


@pytest.mark.parametrize("is_training", [True, False])
def test_autocast_leaves_the_normalisation_in_float32(is_training, monkeypatch):
    matrix = SpectralNormConv2d._matrix

    def guarded(layer):
        # Seen from inside, since only CUDA's autocast would touch these products, not the CPU's.
        assert not torch.is_autocast_enabled("cpu")
        return matrix(layer)

    monkeypatch.setattr(SpectralNormConv2d, "_matrix", guarded)
    torch.manual_seed(0)
    layer = SpectralNormConv2d(16, 16, 3).train(is_training)
    twin = SpectralNormConv2d(16, 16, 3).train(is_training)
    twin.load_state_dict(layer.state_dict())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        weight = layer.normalized_weight()
        out = layer(torch.randn(1, 16, 8, 8))
    assert weight.dtype == torch.float32
    assert out.dtype == torch.bfloat16
    assert torch.equal(weight, twin.normalized_weight())


def test_state_holds_weight_and_vectors():
    assert set(SpectralNormConv2d(2, 2, 1).state_dict()) == {"weight", "u", "v"}


def test_linear_equals_the_classic_form():
    torch.manual_seed(0)
    layer = SpectralNormLinear(5, 7).double()
    twin = nn.Linear(5, 7).double()
    twin.load_state_dict({name: p.detach() for name, p in layer.named_parameters()})
    twin = nn.utils.spectral_norm(twin)
    twin.weight_u.copy_(layer.u)
    twin.weight_v.copy_(layer.v)
    x = torch.randn(3, 5, dtype=torch.float64)
    (layer(x).square().sum() + layer(x + 1).sum()).backward()
    (twin(x).square().sum() + twin(x + 1).sum()).backward()
    torch.testing.assert_close(layer.weight.grad, twin.weight_orig.grad)
    torch.testing.assert_close(layer.u, twin.weight_u)
    torch.testing.assert_close(layer.eval()(x), twin.eval()(x))


def test_linear_is_float32_under_autocast():
    layer = SpectralNormLinear(5, 7)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer(torch.randn(3, 5, dtype=torch.bfloat16)).dtype == torch.float32
