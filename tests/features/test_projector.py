from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from projgan.features.projector import Projector

LITE = (24, 40, 112, 320)


def lite_maps(side: int = 32, batch: int = 2) -> list[Tensor]:
    """Four random maps as of a lite network, the finest `side` x `side`."""
    generator = torch.Generator().manual_seed(side)
    return [
        torch.randn(batch, channels, side >> i, side >> i, generator=generator)
        for i, channels in enumerate(LITE)
    ]


def shapes(maps: list[Tensor]) -> list[tuple[int, int]]:
    return [(m.shape[1], m.shape[-1]) for m in maps]


@pytest.mark.parametrize(
    "level, expand, expected, nominal",
    [
        (0, True, [(24, 64), (40, 32), (112, 16), (320, 8)], (64, 32, 16, 8)),
        (1, True, [(64, 64), (128, 32), (256, 16), (512, 8)], (64, 32, 16, 8)),
        (2, True, [(64, 128), (64, 64), (128, 32), (256, 16)], (128, 64, 32, 16)),
        (1, False, [(64, 64), (64, 32), (64, 16), (64, 8)], (64, 32, 16, 8)),
        (2, False, [(64, 128), (64, 64), (64, 32), (64, 16)], (128, 64, 32, 16)),
    ],
)
def test_shapes_at_256_px(
    level: int, expand: bool, expected: list[tuple[int, int]], nominal: tuple[int, ...]
) -> None:
    projector = Projector(LITE, level=level, expand=expand)
    assert shapes(projector(lite_maps(64))) == expected
    assert projector.out_channels == tuple(channels for channels, _ in expected)
    assert projector.nominal_sizes == nominal


def test_number_of_parameters() -> None:
    counts = [sum(p.numel() for p in Projector(LITE, level=i).parameters()) for i in (0, 1, 2)]
    assert counts[0] == 0
    assert counts[1] == sum((a + 1) * b for a, b in zip(LITE, (64, 128, 256, 512), strict=True))
    assert counts[2] == 376_768


def test_level_0_hands_the_maps_on() -> None:
    maps = lite_maps()
    assert all(a is b for a, b in zip(Projector(LITE, level=0)(maps), maps, strict=True))


def test_mixing_is_the_definition() -> None:
    """Coarse to fine: add, enlarge, mix. (The code mixes before it enlarges.)"""
    projector = Projector(LITE, seed=3)
    maps = lite_maps()
    below: Tensor | None = None
    expected: list[Tensor] = []
    for scale in (3, 2, 1, 0):
        x = projector.ccm[scale](maps[scale])
        x = x if below is None else x + below
        x = F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)
        below = projector.csm[scale](x)
        expected.insert(0, below)
    for actual, wanted in zip(projector(maps), expected, strict=True):
        torch.testing.assert_close(actual, wanted, rtol=1e-4, atol=1e-5)


def test_finer_outputs_know_all_coarser_maps() -> None:
    projector = Projector(LITE)
    maps = lite_maps()
    original = projector(maps)
    for changed in range(4):
        altered = [m + 1.0 if i == changed else m for i, m in enumerate(maps)]
        moved = [not torch.equal(a, b) for a, b in zip(projector(altered), original, strict=True)]
        assert moved == [scale <= changed for scale in range(4)]


def test_inputs_are_not_changed() -> None:
    maps = lite_maps()
    copies = [m.clone() for m in maps]
    Projector(LITE)(maps)
    assert all(torch.equal(a, b) for a, b in zip(maps, copies, strict=True))


def test_seed_decides_and_nothing_else() -> None:
    def weights(seed: int, level: int = 2) -> list[Tensor]:
        return list(Projector(LITE, seed=seed, level=level).ccm.parameters())

    before = torch.get_rng_state()
    first, again, other = weights(0), weights(0), weights(1)
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(torch.equal(a, b) for a, b in zip(first, other, strict=True))
    # Level 1 is level 2 without its second half, not another draw.
    assert all(torch.equal(a, b) for a, b in zip(first, weights(0, level=1), strict=True))


def test_weights_follow_the_default_of_convolutions() -> None:
    """Uniform in +-1/sqrt(fan_in): weights and biases alike."""
    for mix in [*Projector(LITE).ccm, *Projector(LITE).csm]:
        bound = mix.in_channels**-0.5
        for parameter in (mix.weight, mix.bias):
            assert parameter.abs().max() <= bound
            assert parameter.abs().max() > 0.8 * bound
        assert mix.weight.std().item() == pytest.approx(bound / 3**0.5, rel=0.05)
        assert abs(mix.weight.mean().item()) < 0.1 * bound


def test_stays_frozen_and_lets_gradients_through() -> None:
    projector = Projector(LITE)
    projector.train()
    projector.requires_grad_(True)
    assert not projector.training
    maps = [m.requires_grad_() for m in lite_maps()]
    projector(maps)[0].square().mean().backward()
    assert all(m.grad is not None and m.grad.abs().sum() > 0 for m in maps)
    assert all(p.grad is None and not p.requires_grad for p in projector.parameters())


def test_channels_last_stays() -> None:
    maps = [m.to(memory_format=torch.channels_last) for m in lite_maps()]
    for mixed in Projector(LITE)(maps):
        assert mixed.is_contiguous(memory_format=torch.channels_last)
