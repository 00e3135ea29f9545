import pytest
import torch
import torch.nn.functional as F

from projgan.layers.upsampling import FUSED_FROM, UpsampleConv2d, fused_kernel


def test_fused_kernel_equals_upsampling_and_convolving():
    torch.manual_seed(0)
    x = torch.randn(2, 5, 6, 7, dtype=torch.float64)
    weight = torch.randn(4, 5, 3, 3, dtype=torch.float64)
    two_steps = F.conv2d(F.interpolate(x, scale_factor=2.0), weight, padding=1)
    fused = F.conv_transpose2d(x, fused_kernel(weight), stride=2, padding=1)
    torch.testing.assert_close(fused, two_steps)


@pytest.mark.parametrize("size", [FUSED_FROM // 2, FUSED_FROM])
def test_small_and_large_inputs_give_the_same_as_two_steps(size):
    torch.manual_seed(0)
    layer = UpsampleConv2d(3, 4).double().eval()
    x = torch.randn(2, 3, size, size, dtype=torch.float64, requires_grad=True)
    out = layer(x)
    expected = F.conv2d(F.interpolate(x, scale_factor=2.0), layer.normalized_weight(), padding=1)
    torch.testing.assert_close(out, expected)
    coefficients = torch.randn_like(out)
    wanted = torch.autograd.grad((expected * coefficients).sum(), [x, layer.weight])
    found = torch.autograd.grad((out * coefficients).sum(), [x, layer.weight])
    torch.testing.assert_close(found, wanted)


def test_keeps_channels_last_through_the_fused_form():
    layer = UpsampleConv2d(3, 4).to(memory_format=torch.channels_last)
    x = torch.randn(2, 3, FUSED_FROM, FUSED_FROM).contiguous(memory_format=torch.channels_last)
    assert layer(x).is_contiguous(memory_format=torch.channels_last)
