import pytest
import torch
import torch.nn.functional as F

from projgan.layers.equalized import EqualizedConv2d, EqualizedLinear


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("multiplier", [1.0, 0.01])
@pytest.mark.parametrize("width", [16, 512])
def test_normal_values_stay_normal(width, multiplier):
    torch.manual_seed(0)
    layer = EqualizedLinear(width, 400, lr_multiplier=multiplier)
    assert abs(layer(normal(400, width)).std() - 1) < 0.1


def test_stored_weights_have_the_same_size_at_any_width():
    torch.manual_seed(0)
    for width in (16, 512):
        assert abs(EqualizedLinear(width, 400).weight.std() - 1) < 0.05
        assert abs(EqualizedLinear(width, 400, lr_multiplier=0.01).weight.std() - 100) < 5


def test_bias_in_use_starts_as_asked_for():
    for multiplier in (1.0, 0.5):
        layer = EqualizedLinear(3, 4, bias_init=2.0, lr_multiplier=multiplier)
        torch.testing.assert_close(layer(torch.zeros(1, 3)), torch.full((1, 4), 2.0))


def test_a_multiplier_slows_adam_down_by_itself():
    """Adam moves each stored weight by its rate; what the layer computes moves that much less."""
    moves = []
    for multiplier in (1.0, 0.1):
        torch.manual_seed(0)
        layer, x = EqualizedLinear(8, 8, lr_multiplier=multiplier), normal(4, 8)
        before = layer(x).detach()
        optimizer = torch.optim.Adam(layer.parameters(), lr=1e-3)
        layer(x).sum().backward()
        optimizer.step()
        moves.append((layer(x).detach() - before).abs().mean())
    torch.testing.assert_close(moves[1], moves[0] * 0.1, rtol=1e-2, atol=0)


def test_stays_in_float32_under_autocast():
    layer, x = EqualizedLinear(8, 8), normal(4, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out, from_bf16 = layer(x), layer(x.bfloat16())
    assert out.dtype == from_bf16.dtype == torch.float32
    assert torch.equal(out, layer(x))


def test_gradient():
    layer = EqualizedLinear(5, 4, bias_init=1.0, lr_multiplier=0.1).double()
    x = normal(3, 5).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,))
    # Towards the weights, as functions of them.
    for name, parameter in layer.named_parameters():

        def of(value: torch.Tensor, name: str = name) -> torch.Tensor:
            return torch.func.functional_call(layer, {name: value}, (x,))

        assert torch.autograd.gradcheck(of, (parameter.detach().requires_grad_(),))


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_convolution_keeps_normal_values_and_says_its_size(kernel_size, downsample):
    torch.manual_seed(0)
    layer = EqualizedConv2d(64, 48, kernel_size, downsample=downsample)
    out = layer(normal(4, 64, 16, 16))
    assert out.shape == ((4, 48, 8, 8) if downsample else (4, 48, 16, 16))
    # Smoothing takes the better part of the noise away: the squares of its weights add up to 0.097.
    expected = 0.3125 if downsample else 1.0
    middle = out[:, :, 2:-2, 2:-2]
    assert abs(middle.std() / expected - 1) < 0.1


def test_convolution_is_that_of_torch_with_the_scaled_weight():
    layer, x = EqualizedConv2d(3, 5, 3), normal(2, 3, 7, 6)
    with torch.no_grad():
        layer.bias.copy_(torch.arange(5.0))
    expected = F.conv2d(x, layer.weight / 27**0.5, layer.bias, padding=1)
    torch.testing.assert_close(layer(x), expected)


def test_halving_smooths_before_it_drops_pixels():
    """Stripes of one pixel would become a plain area of either colour; smoothed they are grey."""
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    for kernel_size in (1, 3):
        layer = EqualizedConv2d(1, 1, kernel_size, downsample=True)
        with torch.no_grad():
            layer.weight.fill_(1.0)
        assert layer(stripes)[:, :, 2:-2, 2:-2].abs().max() < 1e-6


def test_halving_moves_nothing():
    """A picture and its mirror image have results that are mirror images."""
    x = normal(1, 2, 8, 8)
    for kernel_size in (1, 3):
        layer = EqualizedConv2d(2, 3, kernel_size, downsample=True)
        with torch.no_grad():
            layer.weight.copy_((layer.weight + layer.weight.flip(-1)) / 2)
        torch.testing.assert_close(layer(x.flip(-1)).flip(-1), layer(x))


@pytest.mark.parametrize("downsample", [False, True])
@pytest.mark.parametrize("kernel_size", [1, 3])
def test_convolution_is_twice_differentiable(kernel_size, downsample):
    layer = EqualizedConv2d(2, 2, kernel_size, downsample=downsample).double()
    x = normal(1, 2, 4, 4).double().requires_grad_()
    assert torch.autograd.gradcheck(layer, (x,))

    def of(weight: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
        return torch.func.functional_call(layer, {"weight": weight}, (x,))

    assert torch.autograd.gradgradcheck(of, (layer.weight.detach().requires_grad_(), x))


@pytest.mark.parametrize("downsample", [False, True])
def test_convolution_keeps_the_memory_format_under_autocast(downsample):
    layer = EqualizedConv2d(8, 8, 3, downsample=downsample).to(memory_format=torch.channels_last)
    x = normal(2, 8, 8, 8).to(memory_format=torch.channels_last)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = layer(x)
    assert out.dtype == torch.bfloat16
    assert out.is_contiguous(memory_format=torch.channels_last)
