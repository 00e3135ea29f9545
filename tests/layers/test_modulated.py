"""The modulated convolution against the paper's form: a weight for every sample."""

import pytest
import torch
import torch.nn.functional as F

from projgan.layers.modulated import ModulatedConv2d

KINDS = {
    "plain": {"kernel_size": 3},
    "upsample": {"kernel_size": 3, "upsample": True},
    "image": {"kernel_size": 1, "demodulate": False},
}


def normal(*shape: int, dtype: torch.dtype = torch.float32, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


def make(kind: str, *, inputs: int = 6, outputs: int = 4) -> ModulatedConv2d:
    torch.manual_seed(0)
    return ModulatedConv2d(inputs, outputs, **KINDS[kind])


def of_the_paper(layer: ModulatedConv2d, x: torch.Tensor, style: torch.Tensor) -> torch.Tensor:
    """One grouped convolution, a group a sample; upsampled first where the layer upsamples."""
    weight = layer.weight[None] * style[:, None, :, None, None]  # (B, out, in, k, k)
    if layer.demodulate:
        weight = weight * torch.rsqrt(weight.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8)
    padding = layer.padding
    if layer.smooth is not None:
        # Zeros between the pixels, the filter, then the kernel turned around.
        batch, channels, size, _ = x.shape
        spread = x.new_zeros(batch, channels, size, 2, size, 2)
        spread[:, :, :, 0, :, 0] = x
        spread = F.pad(spread.reshape(batch, channels, 2 * size, 2 * size), (3, 2, 3, 2))
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=x.dtype)
        kernel = (torch.outer(taps, taps) / 16).expand(channels, 1, 4, 4)
        x, weight, padding = F.conv2d(spread, kernel, groups=channels), weight.flip(3, 4), 0
    grouped = x.reshape(1, -1, *x.shape[2:])
    out = F.conv2d(grouped, weight.flatten(0, 1), padding=padding, groups=len(style))
    return out.view(len(style), -1, *out.shape[2:])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_equals_a_weight_for_every_sample(kind, dtype):
    layer = make(kind, inputs=24, outputs=16).to(dtype)
    x, style = normal(3, 24, 8, 8, dtype=dtype), normal(3, 24, dtype=dtype, seed=1)
    out, expected = layer(x, style), of_the_paper(layer, x, style)
    tolerance = 1e-12 if dtype == torch.float64 else 2e-6
    assert out.shape == expected.shape
    assert (out - expected).abs().max() <= tolerance * expected.abs().max()


@pytest.mark.parametrize("kind", KINDS)
def test_gradient(kind):
    layer = make(kind, inputs=3, outputs=2).double()
    x = normal(2, 3, 4, 4, dtype=torch.float64).requires_grad_()
    style = normal(2, 3, dtype=torch.float64, seed=1).requires_grad_()
    weight = layer.weight.detach().clone().requires_grad_()

    def of(x: torch.Tensor, style: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x, style))

    assert torch.autograd.gradcheck(of, (x, style, weight))


def test_demodulated_output_has_unit_size_whatever_the_style():
    layer = make("plain", inputs=64, outputs=32)
    x, style = normal(8, 64, 16, 16), 10 * normal(8, 64, seed=1)
    inner = layer(x, style)[:, :, 1:-1, 1:-1]
    assert (inner.std(dim=(1, 2, 3)) - 1).abs().max() < 0.1


def test_without_demodulation_the_output_scales_with_the_style():
    layer = make("image")
    x, style = normal(2, 6, 4, 4), normal(2, 6, seed=1)
    torch.testing.assert_close(layer(x, 3 * style), 3 * layer(x, style))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keeps_the_memory_format_forwards_and_backwards(kind, dtype):
    layer = make(kind, inputs=16, outputs=8).to(memory_format=torch.channels_last)
    x = normal(2, 16, 8, 8).to(dtype, memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        out = layer(x, normal(2, 16, seed=1))
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(out.float().square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_autocast_leaves_the_demodulation_in_float32():
    layer, style = make("plain"), normal(2, 6)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        factors = layer.demodulation(style)
    assert factors.dtype == torch.float32
    assert torch.equal(factors, layer.demodulation(style))
