"""The filters against their definition: zeros between the pixels, padding, an outer product."""

import pytest
import torch
import torch.nn.functional as F

from projgan.layers.fir import Downsample2d, Smooth2d, Upsample2d

TAPS = torch.tensor([1.0, 3.0, 3.0, 1.0], dtype=torch.float64)
KERNEL = torch.outer(TAPS, TAPS) / 64


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0), dtype=torch.float64)


def zeros_between(x: torch.Tensor) -> torch.Tensor:
    """x0 0 x1 0 ... along both axes."""
    batch, channels, height, width = x.shape
    spread = x.new_zeros(batch, channels, height, 2, width, 2)
    spread[:, :, :, 0, :, 0] = x
    return spread.reshape(batch, channels, 2 * height, 2 * width)


def filtered(x: torch.Tensor, before: int, after: int, gain: float) -> torch.Tensor:
    x = F.pad(x, (before, after, before, after))
    weight = (gain * KERNEL).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(x, weight, groups=x.shape[1])


def test_upsampling_is_zeros_between_then_four_times_the_filter():
    x = normal(2, 3, 5, 7)
    torch.testing.assert_close(Upsample2d().double()(x), filtered(zeros_between(x), 2, 1, 4.0))


def test_upsampling_is_bilinear_away_from_the_border():
    x = normal(1, 2, 6, 6)
    bilinear = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)
    torch.testing.assert_close(Upsample2d().double()(x)[..., 1:-1, 1:-1], bilinear[..., 1:-1, 1:-1])


def test_downsampling_is_every_other_pixel_of_the_filtered_map():
    x = normal(2, 3, 6, 8)
    torch.testing.assert_close(Downsample2d().double()(x), filtered(x, 1, 1, 1.0)[..., ::2, ::2])


def test_downsampling_is_a_quarter_of_the_adjoint_of_upsampling():
    small, big = normal(2, 3, 4, 4), normal(2, 3, 8, 8)
    up, down = Upsample2d().double(), Downsample2d().double()
    torch.testing.assert_close((up(small) * big).sum(), 4 * (small * down(big)).sum())


def test_smoothing_is_the_filter_alone():
    x = normal(2, 3, 5, 7)
    torch.testing.assert_close(Smooth2d(gain=3.0).double()(x), filtered(x, 1, 1, 3.0))
    torch.testing.assert_close(Smooth2d(padding=2).double()(x), filtered(x, 2, 2, 1.0))


def test_downsampling_has_the_same_numbers_in_bfloat16_up_to_rounding():
    """There it goes another way on the CPU."""
    x = normal(2, 3, 6, 8).bfloat16()
    out, expected = Downsample2d()(x), filtered(x.double(), 1, 1, 1.0)[..., ::2, ::2]
    torch.testing.assert_close(out.double(), expected, rtol=1e-2, atol=1e-2)


@pytest.mark.parametrize("layer", [Upsample2d(), Downsample2d(), Smooth2d(gain=4.0)])
def test_gradient(layer):
    x = normal(2, 2, 4, 4).requires_grad_()
    assert torch.autograd.gradcheck(layer.double(), (x,))
    assert torch.autograd.gradgradcheck(layer.double(), (x,))


@pytest.mark.parametrize("layer", [Upsample2d(), Downsample2d(), Smooth2d()])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_keeps_type_and_memory_format_under_autocast(layer, dtype):
    x = normal(2, 8, 6, 6).to(dtype, memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer.float()(x)
    assert out.dtype == dtype
    assert out.is_contiguous(memory_format=torch.channels_last)
    (gradient,) = torch.autograd.grad(out.square().sum(), x)
    assert gradient.is_contiguous(memory_format=torch.channels_last)


def test_the_filter_is_no_weight():
    assert not Upsample2d().state_dict()
    assert not list(Upsample2d().parameters())
