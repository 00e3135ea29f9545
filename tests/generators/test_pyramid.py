"""Pictures of other shapes and kinds from the built-in generators; squares stay what they were."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from projgan.errors import UsageError
from projgan.generators import Generator, build_generator
from projgan.generators.base import _BUILDERS, StyleGenerator, register
from projgan.generators.fastgan import FastGAN
from projgan.generators.pyramid import cropped, map_sizes
from projgan.layers.noise import NoiseInjection, set_noise_mode

NAMES = ("fastgan", "fastgan-lite", "stylegan2")


@pytest.mark.parametrize(
    ("size", "first", "count"),
    [
        ((192, 256), (3, 4), 7),
        ((64, 96), (4, 6), 5),
        ((96, 128), (3, 4), 6),
        ((128, 32), (16, 4), 4),
        ((480, 640), (4, 5), 8),
        ((992, 1024), (4, 4), 9),
    ],
)
def test_the_first_map_has_the_ratio(size: tuple[int, int], first: tuple[int, int], count: int):
    sizes = map_sizes(size)
    assert list(sizes) == [4 << level for level in range(count)]
    assert (sizes[4], sizes[max(sizes)]) == (first, size)
    for smaller, larger in zip(list(sizes.values()), list(sizes.values())[1:], strict=False):
        # At most one row or column is too many after doubling.
        assert all(b in (2 * a, 2 * a - 1) for a, b in zip(smaller, larger, strict=True))


@pytest.mark.parametrize("side", [8, 32, 64, 128, 256, 512, 1024])
def test_squares_double_from_four(side: int) -> None:
    sizes = map_sizes((side, side))
    assert all(size == (tier, tier) for tier, size in sizes.items())
    assert (min(sizes), max(sizes)) == (4, side)


def test_cropping_takes_the_last_row_and_column() -> None:
    x = torch.arange(16.0).view(1, 1, 4, 4)
    assert cropped(x, (4, 4)) is x
    assert torch.equal(cropped(x, (3, 4)), x[:, :, :3])
    assert torch.equal(cropped(x, (4, 3)), x[:, :, :, :3])


def build(name: str, size: tuple[int, int], channels: int = 3) -> Generator:
    torch.manual_seed(0)
    return build_generator(
        name, z_dim=16, resolution=max(size), width=8, size=size, channels=channels
    )


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    ("size", "channels"), [((32, 32), 1), ((64, 96), 4), ((96, 32), 3), ((160, 224), 3)]
)
def test_every_kind_of_picture(name: str, size: tuple[int, int], channels: int) -> None:
    """160x224 is one whose maps are cropped on the way (5x7, 10x14, 20x28 have 3x4 below them)."""
    generator = build(name, size, channels)
    assert (generator.size, generator.channels, generator.resolution) == (size, channels, max(size))
    z = generator.latents([1, 2])
    images = generator(z)
    assert images.shape == (2, channels, *size) and bool(images.isfinite().all())
    images.square().mean().backward()
    dead = [n for n, p in generator.named_parameters() if p.grad is None]
    assert dead == []
    generator.eval()
    for mode in ("const", "none"):
        set_noise_mode(generator, mode)
        with torch.no_grad():
            assert generator(z).shape == (2, channels, *size)


@pytest.mark.parametrize("name", NAMES)
def test_every_part_of_a_cropped_picture_is_reached(name: str) -> None:
    """From the start on: its last row and column too."""
    generator = build(name, (160, 224)).train()
    set_noise_mode(generator, "none")
    z = generator.latents([1, 2, 3]).requires_grad_()
    images = generator(z)
    for corner in (images[0, :, :4, :4], images[0, :, -4:, -4:]):
        (gradient,) = torch.autograd.grad(corner.sum(), z, retain_graph=True)
        assert gradient[0].abs().max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_a_square_size_is_a_square(name: str) -> None:
    """The same names and, from the same seed, the same numbers."""
    torch.manual_seed(0)
    plain = build_generator(name, z_dim=16, resolution=64, width=8).state_dict()
    asked = build(name, (64, 64)).state_dict()
    assert plain.keys() == asked.keys()
    assert all(torch.equal(plain[key], asked[key]) for key in plain)


@pytest.mark.parametrize("name", NAMES)
def test_the_shape_changes_no_channels(name: str) -> None:
    def channels(size: tuple[int, int]) -> dict[str, tuple[int, ...]]:
        state = build(name, size).state_dict()
        return {k: tuple(v.shape[:2]) for k, v in state.items() if k.endswith("weight")}

    assert channels((64, 96)) == channels((64, 64))


def test_noise_maps_of_rectangles_are_their_own() -> None:
    square, wide = NoiseInjection(32), NoiseInjection((32, 48))
    assert torch.equal(NoiseInjection((32, 32)).fixed_noise, square.fixed_noise)
    assert wide.fixed_noise.shape == (1, 1, 32, 48)
    tall = NoiseInjection((48, 32)).fixed_noise
    assert not torch.equal(wide.fixed_noise.flatten(), tall.flatten())


def test_styles_of_a_rectangle_can_be_truncated() -> None:
    generator = build("stylegan2", (64, 96), 4).eval()
    assert isinstance(generator, StyleGenerator) and generator.num_styles == 10
    styles_w = generator.truncate(generator.styles(generator.latents([1])), 0.5)
    assert generator.synthesize(styles_w).shape == (1, 4, 64, 96)


@pytest.mark.parametrize("size", [(64, 80), (16, 64), (64, 2048)])
def test_other_sizes_are_refused(size: tuple[int, int]) -> None:
    with pytest.raises(UsageError, match=f"no size {size[1]}x{size[0]}"):
        FastGAN(size=size)


def test_a_builder_that_knows_only_squares_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    class Old(Generator):
        def __init__(self, *, z_dim: int, resolution: int, width: int) -> None:
            super().__init__(z_dim=z_dim, resolution=resolution)

        def forward(self, z: Tensor) -> Tensor:
            return z.new_zeros(len(z), 3, *self.size)

    monkeypatch.setattr("projgan.generators.base._BUILDERS", dict(_BUILDERS))
    register("old")(Old)
    plain = build_generator("old", z_dim=8, resolution=32, width=8, size=(32, 32), channels=3)
    assert plain(plain.latents([0])).shape == (1, 3, 32, 32)
    with pytest.raises(UsageError, match="old cannot make pictures that are not square"):
        build_generator("old", z_dim=8, resolution=64, width=8, size=(32, 64))
    with pytest.raises(UsageError, match="old cannot make grey or transparent pictures"):
        build_generator("old", z_dim=8, resolution=32, width=8, channels=1)
