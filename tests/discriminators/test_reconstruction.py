import pytest
import torch

from projgan.discriminators.reconstruction import Decoder, Reconstruction


def normal(*shape: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("size", [16, 32, 64, 128])
def test_decoders_draw_pictures_of_their_size(size: int) -> None:
    drawn = Decoder(24, size)(normal(2, 24, 8, 8))
    assert drawn.shape == (2, 3, size, size)
    assert drawn.abs().max() < 1


@pytest.mark.parametrize(
    ("resolution", "whole", "part"), [(32, 32, 16), (128, 128, 64), (512, 128, 128)]
)
def test_sizes_follow_the_pictures(resolution: int, whole: int, part: int) -> None:
    drawn = {}
    decoders = Reconstruction(resolution=resolution, channels_16=8, channels_8=16)
    for name in ("whole", "part"):
        getattr(decoders, name).register_forward_hook(
            lambda module, inputs, output, name=name: drawn.update({name: output.shape[-1]})
        )
    maps = normal(2, 8, 16, 16), normal(2, 16, 8, 8)
    decoders(*maps, torch.zeros(2, 3, resolution, resolution), (0, 8))
    assert drawn == {"whole": whole, "part": part}


def test_the_loss_is_that_of_whole_and_part_by_hand() -> None:
    decoders = Reconstruction(resolution=32, channels_16=8, channels_8=16).eval()
    map_16, map_8, images = normal(2, 8, 16, 16), normal(2, 16, 8, 8), normal(2, 3, 32, 32)
    with torch.no_grad():
        loss = decoders(map_16, map_8, images, (3, 5))
        whole = (decoders.whole(map_8) - images).abs().mean()
        # Two pixels of the picture to one of the map.
        part = decoders.part(map_16[:, :, 3:11, 5:13]) - images[:, :, 6:22, 10:26]
    torch.testing.assert_close(loss, whole + part.abs().mean())


def test_large_pictures_are_compared_at_the_size_drawn() -> None:
    decoders = Reconstruction(resolution=256, channels_16=8, channels_8=16).eval()
    map_16, map_8 = normal(1, 8, 16, 16), normal(1, 16, 8, 8)
    small = normal(1, 3, 128, 128)
    images = small.repeat_interleave(2, dim=2).repeat_interleave(2, dim=3)
    with torch.no_grad():
        loss = decoders(map_16, map_8, images, (8, 0))
        whole = (decoders.whole(map_8) - small).abs().mean()
        part = (decoders.part(map_16[:, :, 8:, :8]) - images[:, :, 128:, :128]).abs().mean()
    torch.testing.assert_close(loss, whole + part)


def test_it_learns_to_draw() -> None:
    torch.manual_seed(0)
    decoders = Reconstruction(resolution=32, channels_16=8, channels_8=16)
    maps = normal(4, 8, 16, 16), normal(4, 16, 8, 8)
    images = torch.linspace(-1, 1, 32).expand(4, 3, 32, 32)
    optimizer = torch.optim.Adam(decoders.parameters(), lr=1e-2)
    losses = []
    for _ in range(25):
        loss = decoders(*maps, images, (0, 0))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.5 * losses[0]
