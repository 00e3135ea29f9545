from __future__ import annotations

import pytest
import torch
from torch import Tensor

from projgan.discriminators.heads import Head, HeadKind, Heads
from projgan.errors import UsageError

CHANNELS = (64, 64, 128, 256)
SIZES = (128, 64, 32, 16)
KINDS: tuple[HeadKind, ...] = ("plain", "separable")


def projected_maps(side: int, batch: int = 2) -> list[Tensor]:
    """Random maps as the projector gives them at level 2; `side` is that of the coarsest."""
    generator = torch.Generator().manual_seed(side)
    return [
        torch.randn(batch, channels, side << (3 - i), side << (3 - i), generator=generator)
        for i, channels in enumerate(CHANNELS)
    ]


def parameters(module: torch.nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize("kind, count", [("plain", 10_331_328), ("separable", 696_512)])
def test_number_of_parameters(kind: HeadKind, count: int) -> None:
    assert parameters(Heads(CHANNELS, SIZES, kind=kind)) == count


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("in_channels, nominal, downs", [(64, 128, 4), (128, 32, 2), (320, 8, 0)])
def test_head_halves_down_to_8(kind: HeadKind, in_channels: int, nominal: int, downs: int) -> None:
    head = Head(in_channels, nominal, kind=kind)
    assert len(head.down) == downs
    x = torch.randn(2, in_channels, nominal, nominal)
    assert head.down(x).shape == (2, 512 if downs else in_channels, 8, 8)
    assert head(x).shape == (2, 1, 5, 5)


def test_down_block_in_numbers() -> None:
    """A 4x4 convolution with bias and stride 2, a norm, LeakyReLU 0.2; the last has no bias."""
    plain = Head(256, 16)
    conv, norm, activation = plain.down[0]
    assert (conv.kernel_size, conv.stride, conv.padding) == ((4, 4), (2, 2), (1, 1))
    assert conv.bias is not None and plain.logits.bias is None
    assert (norm.eps, norm.momentum, activation.negative_slope) == (1e-5, 0.1, 0.2)

    depthwise, pointwise, _, _, _ = Head(256, 16, kind="separable").down[0]
    assert (depthwise.groups, depthwise.kernel_size, depthwise.bias) == (256, (3, 3), None)
    assert (pointwise.groups, pointwise.kernel_size, pointwise.bias) == (1, (1, 1), None)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("side, expected", [(14, 64), (16, 100)])
def test_number_of_logits(kind: HeadKind, side: int, expected: int) -> None:
    assert Heads(CHANNELS, SIZES, kind=kind)(projected_maps(side)).shape == (2, expected)


def test_finest_map_comes_first_and_count_keeps_the_first() -> None:
    heads = Heads(CHANNELS, SIZES, kind="separable").eval()
    maps = projected_maps(16)
    logits = heads(maps)
    for scale, head in enumerate(heads.scales):
        assert torch.equal(logits[:, 25 * scale : 25 * (scale + 1)], head(maps[scale]).flatten(1))
    fewer = Heads(CHANNELS, SIZES, kind="separable", count=2).eval()
    fewer.load_state_dict({k: v for k, v in heads.state_dict().items() if k[:8] < "scales.2"})
    assert torch.equal(fewer(maps), logits[:, :50])


@pytest.mark.parametrize("kind", KINDS)
def test_channels_last_stays(kind: HeadKind) -> None:
    head = Head(64, 32, kind=kind).to(memory_format=torch.channels_last)
    x = torch.randn(2, 64, 32, 32).to(memory_format=torch.channels_last)
    for block in head.down:
        for layer in block:
            x = layer(x)
            assert x.is_contiguous(memory_format=torch.channels_last), layer


@pytest.mark.parametrize("kind", KINDS)
def test_memory_format_does_not_change_the_order_of_logits(kind: HeadKind) -> None:
    heads = Heads(CHANNELS, SIZES, kind=kind).eval()
    maps = projected_maps(14)
    expected = heads(maps)
    heads = heads.to(memory_format=torch.channels_last)
    actual = heads([m.to(memory_format=torch.channels_last) for m in maps])
    torch.testing.assert_close(actual, expected, rtol=1e-3, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_bfloat16_stays_close(kind: HeadKind) -> None:
    torch.manual_seed(0)
    heads = Heads(CHANNELS, SIZES, kind=kind)
    maps = projected_maps(14)
    for _ in range(5):  # until the spectral-norm vectors have settled
        expected = heads(maps)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        actual = heads(maps)
    assert actual.dtype == torch.bfloat16
    assert (actual.float() - expected).abs().mean() < 0.05 * expected.abs().mean()
    assert heads.scales[0].down[0][-4 if kind == "separable" else 1].weight.dtype == torch.float32


def test_training_moves_statistics_and_evaluation_does_not() -> None:
    heads = Heads(CHANNELS, SIZES, kind="separable")
    maps = projected_maps(14)

    def moved() -> set[str]:
        before = {name: value.clone() for name, value in heads.named_buffers()}
        heads(maps)
        names = (n for n, value in heads.named_buffers() if not torch.equal(value, before[n]))
        return {name.rpartition(".")[2] for name in names}

    assert moved() == {"running_mean", "running_var", "num_batches_tracked", "u", "v"}
    heads.eval()
    assert moved() == set()


def test_two_forwards_before_one_backward() -> None:
    """As in a step: the heads see fakes, then reals, and only then the gradients are taken."""
    heads = Heads(CHANNELS, SIZES, kind="separable")
    fake, real = heads(projected_maps(14)), heads(projected_maps(14))
    (fake.mean() - real.mean()).backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in heads.parameters())


def test_unknown_kind_lists_the_known_ones() -> None:
    with pytest.raises(UsageError, match="plain, separable"):
        Head(64, 32, kind="deep")  # type: ignore[arg-type]
