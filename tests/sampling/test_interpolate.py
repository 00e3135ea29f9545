"""Walks: closed, through the keys, on the sphere, at an even pace."""

from __future__ import annotations

import math
from collections.abc import Iterable

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from projgan.errors import UsageError
from projgan.sampling.interpolate import slerp, spherical_path


def latents(seeds: Iterable[int], z_dim: int) -> Tensor:
    """Standard normal rows."""
    return torch.stack(
        [torch.randn(z_dim, generator=torch.Generator().manual_seed(seed)) for seed in seeds]
    )


def step_angles(path: Tensor) -> Tensor:
    """Angles in radians from each frame to the next, the last one to the first."""
    unit = torch.nn.functional.normalize(path.double(), dim=1)
    chord = (unit - unit.roll(-1, dims=0)).norm(dim=1)
    return 2 * torch.asin((chord / 2).clamp(max=1))


@pytest.mark.parametrize("smooth", [False, True])
def test_keys_are_met_in_order_at_even_distances(smooth: bool) -> None:
    keys = latents(range(5), 64)
    path = spherical_path(keys, 40, smooth=smooth)
    assert path.shape == (40, 64)
    assert path.dtype == keys.dtype
    torch.testing.assert_close(path[::8], keys)


def test_a_leg_is_one_great_circle_at_constant_speed() -> None:
    keys = latents(range(4), 128)
    angles = step_angles(spherical_path(keys, 48)).view(4, 12)
    for leg in range(4):
        unit_a = torch.nn.functional.normalize(keys[leg].double(), dim=0)
        unit_b = torch.nn.functional.normalize(keys[(leg + 1) % 4].double(), dim=0)
        expected = torch.acos(unit_a @ unit_b) / 12
        torch.testing.assert_close(angles[leg], expected.expand(12), rtol=1e-4, atol=1e-6)


def test_the_last_frame_is_one_step_before_the_first() -> None:
    angles = step_angles(spherical_path(latents(range(6), 128), 90))
    assert angles.max() / angles.min() < 1.35


def test_frames_need_not_be_a_multiple_of_the_keys() -> None:
    keys = latents(range(3), 32)
    path = spherical_path(keys, 10)
    assert torch.equal(path[0], keys[0])
    angles = step_angles(path)
    assert angles.max() < 1.5 * angles.median()


def corners(path: Tensor) -> Tensor:
    """Angles by which the direction of motion turns at each frame."""
    step = path.double().roll(-1, dims=0) - path.double()
    unit = torch.nn.functional.normalize(step, dim=1)
    cosine = (unit * unit.roll(1, dims=0)).sum(dim=1).clamp(-1, 1)
    return torch.acos(cosine)


def test_smooth_has_no_corner_at_a_key() -> None:
    """The turn from frame to frame shrinks as frames are added; a corner's does not."""
    keys = latents(range(5), 128)
    for count in (200, 800):
        sharp = corners(spherical_path(keys, count))[:: count // 5]
        assert sharp.min() > math.radians(50)
    coarse, fine = (corners(spherical_path(keys, n, smooth=True)).max() for n in (200, 800))
    assert coarse < math.radians(20)
    assert fine < 0.3 * coarse


def test_smooth_keeps_a_nearly_even_pace() -> None:
    angles = step_angles(spherical_path(latents(range(6), 128), 240, smooth=True))
    assert angles.max() / angles.min() < 2.5


@pytest.mark.parametrize("smooth", [False, True])
def test_one_key_stands_still(smooth: bool) -> None:
    key = latents([1], 16)
    torch.testing.assert_close(spherical_path(key, 5, smooth=smooth), key.expand(5, 16))


@pytest.mark.parametrize("smooth", [False, True])
def test_equal_and_opposite_keys(smooth: bool) -> None:
    a, b = latents([0, 1], 16)
    path = spherical_path(torch.stack([a, a, b, -b]), 64, smooth=smooth)
    assert torch.isfinite(path).all()
    torch.testing.assert_close(path[0::16], torch.stack([a, a, b, -b]))
    still = spherical_path(torch.stack([a, a]), 8, smooth=smooth)
    torch.testing.assert_close(still, a.expand(8, 16))
    # Half a circle between opposite keys: out on one side, and never through the origin.
    around = spherical_path(torch.stack([a, -a]), 32, smooth=smooth)
    torch.testing.assert_close(around.norm(dim=1), a.norm().expand(32))
    assert step_angles(around).max() < math.pi / 4


@settings(max_examples=60, deadline=None)
@given(
    count=st.integers(1, 6),
    frames=st.integers(1, 50),
    seed=st.integers(0, 10_000),
    smooth=st.booleans(),
    dimensions=st.integers(2, 40),
)
def test_lengths_lie_between_those_of_the_keys(
    count: int, frames: int, seed: int, smooth: bool, dimensions: int
) -> None:
    keys = latents(range(seed, seed + count), dimensions)
    path = spherical_path(keys, frames, smooth=smooth)
    lengths = keys.norm(dim=1)
    for index, length in enumerate(path.norm(dim=1).tolist()):
        leg = index * count // frames
        ends = sorted((lengths[leg].item(), lengths[(leg + 1) % count].item()))
        assert ends[0] * (1 - 1e-5) <= length <= ends[1] * (1 + 1e-5)


def test_slerp_halfway_is_the_normalised_mean() -> None:
    a, b = torch.nn.functional.normalize(latents([3, 4], 32).double(), dim=1)
    middle = slerp(a[None], b[None], torch.tensor([[0.5]], dtype=torch.float64))[0]
    torch.testing.assert_close(middle, (a + b) / (a + b).norm())


def test_nonsense_is_refused() -> None:
    keys = latents(range(2), 8)
    with pytest.raises(UsageError, match="at least 1"):
        spherical_path(keys, 0)
    with pytest.raises(UsageError, match="shape"):
        spherical_path(keys[0], 4)
    with pytest.raises(UsageError, match="shape"):
        spherical_path(keys[:0], 4)
    with pytest.raises(UsageError, match="all-zero"):
        spherical_path(torch.zeros(2, 8), 4)
