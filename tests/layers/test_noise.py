import pytest
import torch
from torch import nn

from projgan.errors import UsageError
from projgan.layers.noise import NoiseInjection, has_noise, set_noise_mode


def loud(resolution: int = 8, *, layer: int = 0) -> NoiseInjection:
    """A noise layer whose noise is heard: the weight starts at 0."""
    noise = NoiseInjection(resolution, layer=layer)
    nn.init.constant_(noise.weight, 0.5)
    return noise


def test_starts_silent():
    x = torch.randn(2, 3, 8, 8)
    assert torch.equal(NoiseInjection(8)(x), x)


def test_random_noise_is_one_map_a_sample_from_the_global_state():
    x = torch.randn(2, 3, 8, 8)
    torch.manual_seed(7)
    out = loud()(x)
    torch.manual_seed(7)
    torch.testing.assert_close(out, x + 0.5 * torch.randn(2, 1, 8, 8))


def test_random_noise_is_fresh_in_evaluation_too():
    layer, x = loud().eval(), torch.zeros(1, 1, 8, 8)
    assert not torch.equal(layer(x), layer(x))


def test_constant_noise_is_the_same_for_each_call_sample_and_instance():
    x = torch.zeros(2, 1, 8, 8)
    first, second = loud(), loud()
    set_noise_mode(nn.ModuleList([first, second]), "const")
    out = first(x)
    assert torch.equal(out, first(x))
    assert torch.equal(out[0], out[1])
    assert torch.equal(out, second(x))
    assert out.std() > 0.3


def test_constant_noise_differs_between_layers():
    assert not torch.equal(loud(layer=0).fixed_noise, loud(layer=1).fixed_noise)


def test_making_a_layer_moves_no_other_draw():
    torch.manual_seed(1)
    NoiseInjection(8)
    after = torch.randn(3)
    torch.manual_seed(1)
    assert torch.equal(after, torch.randn(3))


def test_mode_none_adds_nothing_and_draws_nothing():
    layer, x = loud(), torch.randn(2, 3, 8, 8)
    set_noise_mode(layer, "none")
    torch.manual_seed(7)
    assert torch.equal(layer(x), x)
    after = torch.randn(3)
    torch.manual_seed(7)
    assert torch.equal(after, torch.randn(3))


def test_fixed_map_is_saved_where_asked_for():
    assert set(NoiseInjection(8).state_dict()) == {"weight"}
    stored = NoiseInjection(8, stored=True)
    assert set(stored.state_dict()) == {"weight", "fixed_noise"}
    assert torch.equal(stored.fixed_noise, NoiseInjection(8).fixed_noise)


def test_noise_is_found_inside_a_module():
    assert has_noise(nn.Sequential(nn.Identity(), nn.Sequential(NoiseInjection(8))))
    assert not has_noise(nn.Sequential(nn.Identity()))


def test_keeps_type():
    x = torch.zeros(1, 2, 8, 8, dtype=torch.bfloat16)
    assert loud()(x).dtype == torch.bfloat16


def test_gradient_reaches_the_weight():
    layer = NoiseInjection(8)
    layer(torch.randn(1, 2, 8, 8)).square().sum().backward()
    assert layer.weight.grad.abs() > 0


def test_unknown_mode_names_the_known_ones():
    with pytest.raises(UsageError, match="random, const, none"):
        set_noise_mode(loud(), "constant")
