import torch

from projgan.layers.excitation import SkipExcitation


def test_multiplies_each_channel_by_one_gate_between_0_and_1():
    torch.manual_seed(0)
    layer = SkipExcitation(6, 4)
    small, big = torch.randn(3, 6, 8, 8), torch.randn(3, 4, 32, 32)
    out = layer(small, big)
    gate = out / big
    assert gate.shape == big.shape
    torch.testing.assert_close(gate, gate.mean(dim=(2, 3), keepdim=True).expand_as(gate))
    assert ((gate > 0) & (gate < 1)).all()


def test_gate_depends_on_the_sample_s_small_map_alone():
    torch.manual_seed(0)
    layer = SkipExcitation(6, 4).eval()
    small, big = torch.randn(2, 6, 4, 4), torch.ones(2, 4, 8, 8)
    out = layer(small, big)
    changed = small.clone()
    changed[1] += 1
    again = layer(changed, big)
    torch.testing.assert_close(again[0], out[0])
    assert not torch.allclose(again[1], out[1])


def test_gradient_reaches_both_maps():
    small = torch.randn(2, 6, 4, 4, requires_grad=True)
    big = torch.randn(2, 4, 8, 8, requires_grad=True)
    SkipExcitation(6, 4)(small, big).square().sum().backward()
    assert small.grad.abs().max() > 0
    assert big.grad.abs().max() > 0
