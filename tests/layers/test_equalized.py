import pytest
import torch

from projgan.layers.equalized import EqualizedLinear


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
