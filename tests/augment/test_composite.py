"""What a discriminator sees of pictures with one channel or four."""

from __future__ import annotations

import torch

from projgan.augment.composite import composite
from projgan.rng import torch_stream


def noise(channels: int, *, count: int = 4) -> torch.Tensor:
    stream = torch_stream(0, "pictures")
    return torch.rand(count, channels, 6, 8, generator=stream) * 2 - 1


def draws() -> torch.Generator:
    return torch_stream(1, "background")


def test_colours_go_through_untouched_and_draw_nothing() -> None:
    images, stream = noise(3), draws()
    assert composite(images, generator=stream) is images
    assert torch.equal(stream.get_state(), draws().get_state())


def test_grey_is_repeated() -> None:
    images = noise(1)
    seen = composite(images, generator=draws())
    assert seen.shape == (4, 3, 6, 8)
    assert all(torch.equal(seen[:, channel], images[:, 0]) for channel in range(3))


def backgrounds(count: int, height: int = 32, width: int = 48) -> torch.Tensor:
    """What is seen of pictures that are transparent everywhere."""
    return composite(torch.full((count, 4, height, width), -1.0), generator=draws())


def test_opaque_is_the_picture_and_transparent_the_background() -> None:
    images = noise(4)
    images[:, 3] = 1
    assert torch.allclose(composite(images, generator=draws()), images[:, :3], atol=1e-6)
    images[:, 3] = -1
    ground = composite(images, generator=draws())
    assert torch.equal(ground, backgrounds(4, 6, 8))
    # Half of each in between.
    images[:, 3] = 0
    seen = composite(images, generator=draws())
    assert torch.allclose(seen, (ground + images[:, :3]) / 2, atol=1e-6)
    assert seen.is_contiguous(memory_format=torch.channels_last)


def test_a_background_is_stripes_of_two_colours() -> None:
    """All its colours lie on a line between two, and there is something to be seen in most."""
    for ground in backgrounds(50):
        pixels = ground.flatten(1).T  # (H * W, 3)
        spread = torch.linalg.svdvals(pixels - pixels.mean(dim=0))
        assert spread[1] < 1e-3
    assert (backgrounds(200).flatten(2).std(dim=2).amax(dim=1) > 0.1).float().mean() > 0.7


def test_stripes_go_in_every_direction_whatever_the_shape() -> None:
    """The mean change along rows and along columns is the same, a pixel a pixel."""
    for height, width in ((64, 64), (32, 64), (64, 32)):
        ground = backgrounds(1000, height, width)
        down = ground.diff(dim=2).abs().mean()
        across = ground.diff(dim=3).abs().mean()
        assert abs(float(down / across) - 1) < 0.1


def test_the_same_stream_draws_the_same_colours_in_every_type() -> None:
    images = noise(4)
    images[:, 3] = -1
    full, half = (composite(x, generator=draws()) for x in (images, images.bfloat16()))
    assert half.dtype == torch.bfloat16
    assert torch.equal(full.bfloat16(), half)


def test_colours_cover_the_whole_range_evenly() -> None:
    colours = backgrounds(4000, 1, 1).view(4000, 3)
    assert colours.abs().max() <= 1 and colours.mean(dim=0).abs().max() < 0.05
    assert torch.corrcoef(colours.T).triu(1).abs().max() < 0.06
    assert ((colours < -0.8).float().mean(dim=0) > 0.07).all()
    assert ((colours > 0.8).float().mean(dim=0) > 0.07).all()


def test_gradients_reach_colours_and_alpha_even_beyond_the_range() -> None:
    images = noise(4).double()
    images[:, 3] *= 2  # a generator's output is not bounded
    images.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: composite(x, generator=draws()), images)
    (gradient,) = torch.autograd.grad(composite(images, generator=draws()).sum(), images)
    assert (gradient != 0).all()
