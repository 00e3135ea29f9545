from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from projgan.features.tokens import TokenMaps, resize_positions, widths_of
from projgan.rng import torch_stream


def maps_of(width: int = 16, seed: int = 0) -> TokenMaps:
    return TokenMaps(width, torch_stream(seed, "tokens"))


@pytest.mark.parametrize(
    "width, expected",
    [
        (192, (24, 48, 96, 192)),
        (384, (48, 96, 192, 384)),
        (768, (96, 192, 384, 768)),
        (1024, (256, 512, 1024, 1024)),
        (1280, (160, 320, 640, 1280)),
    ],
)
def test_widths(width: int, expected: tuple[int, ...]) -> None:
    assert widths_of(width) == expected


def test_four_sizes_from_one() -> None:
    maps = maps_of()([torch.randn(2, 16, 14, 14)] * 4)
    shapes = [tuple(m.shape[1:]) for m in maps]
    assert shapes == [(2, 56, 56), (4, 28, 28), (8, 14, 14), (16, 7, 7)]


def test_layers_are_those_of_the_description() -> None:
    maps = maps_of()
    assert all(mix.kernel_size == (1, 1) and mix.bias is not None for mix in maps.mix)
    four, two, none, three = maps.resize
    assert isinstance(four, nn.ConvTranspose2d) and (four.kernel_size, four.stride) == ((4, 4),) * 2
    assert isinstance(two, nn.ConvTranspose2d) and (two.kernel_size, two.stride) == ((2, 2),) * 2
    assert isinstance(none, nn.Identity)
    assert (three.kernel_size, three.stride, three.padding) == ((3, 3), (2, 2), (1, 1))
    assert all(layer.bias is not None for layer in (four, two, three))


def test_weights_come_from_the_stream_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = maps_of(), maps_of(), maps_of(seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for a, b, c in zip(first.parameters(), again.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert not torch.equal(a, c)


def test_weights_follow_the_default_of_pytorch() -> None:
    """Uniform in +-1/sqrt(fan_in); for a transposed one PyTorch counts the channels going out."""
    maps = maps_of(768)
    four, three = maps.resize[0], maps.resize[3]
    for layer, fan_in in ((maps.mix[0], 768), (four, 96 * 16), (three, 768 * 9)):
        default = layer.__class__(
            layer.in_channels, layer.out_channels, layer.kernel_size, stride=layer.stride
        )
        for name in ("weight", "bias"):
            drawn, usual = getattr(layer, name), getattr(default, name)
            assert drawn.abs().max().item() == pytest.approx(fan_in**-0.5, rel=0.1)
            assert drawn.std().item() == pytest.approx(usual.std().item(), rel=0.2)


def test_frozen_and_open_for_gradients() -> None:
    maps = maps_of()
    maps.train()
    maps.requires_grad_(True)
    assert not any(p.requires_grad for p in maps.parameters())
    x = torch.randn(1, 16, 8, 8, requires_grad=True)
    for scale in range(4):
        (gradient,) = torch.autograd.grad(maps([x] * 4)[scale].square().mean(), x)
        assert (gradient.abs() > 0).float().mean() > 0.9


def test_positions_are_resized_and_prefixes_kept() -> None:
    positions = torch.randn(1, 2 + 16, 5)
    resized = resize_positions(positions, 4, 6)
    assert resized.shape == (1, 2 + 36, 5)
    assert torch.equal(resized[:, :2], positions[:, :2])
    grid = positions[0, 2:].view(4, 4, 5).permute(2, 0, 1)
    expected = F.interpolate(grid[None], size=(6, 6), mode="bilinear", align_corners=False)
    assert torch.equal(resized[0, 2:].view(6, 6, 5).permute(2, 0, 1), expected[0])


def test_positions_on_their_own_grid_stay() -> None:
    positions = torch.randn(1, 16, 5)
    assert torch.equal(resize_positions(positions, 4, 4), positions)
