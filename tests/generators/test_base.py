import textwrap

import pytest
import torch
from torch import Tensor, nn

from projgan.errors import UsageError
from projgan.generators import Generator, base, build_generator, known_generators, register


@pytest.fixture(autouse=True)
def own_registry(monkeypatch):
    """Names that a test registers are forgotten after it."""
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))


class Tiny(Generator):
    def __init__(self, *, z_dim: int, resolution: int, width: int) -> None:
        super().__init__(z_dim=z_dim, resolution=resolution)
        self.start = nn.Linear(z_dim, 3 * width)
        self.to_image = nn.Conv2d(width, 3, 1)

    def forward(self, z: Tensor) -> Tensor:
        x = self.start(z)[:, : self.to_image.in_channels, None, None]
        return self.to_image(x).expand(-1, -1, self.resolution, self.resolution)


def test_a_generator_from_outside_builds_and_trains():
    register("tiny")(Tiny)
    generator = build_generator("tiny", z_dim=8, resolution=32, width=4)
    assert (generator.z_dim, generator.resolution) == (8, 32)
    optimizer = torch.optim.SGD(generator.parameters(), lr=0.1)
    z = torch.randn(4, 8)
    losses = []
    for _ in range(5):
        images = generator(z)
        assert images.shape == (4, 3, 32, 32)
        loss = (images - 0.5).square().mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_the_example_in_the_docstring_runs():
    example = base.__doc__.partition("as it is:")[2]
    names = {}
    exec(textwrap.dedent(example), names)
    assert names["images"].shape == (4, 3, 128, 128)
    names["images"].sum().backward()
    assert "tiny" in known_generators()


def test_unknown_name_lists_the_known_ones():
    with pytest.raises(UsageError, match="'fastgam'; known: fastgan, fastgan-lite"):
        build_generator("fastgam", z_dim=8, resolution=32, width=8)


def test_a_name_is_registered_once():
    with pytest.raises(UsageError, match="fastgan"):
        register("fastgan")(Tiny)


def test_a_generator_without_forward_cannot_be_made():
    class Nothing(Generator):
        pass

    with pytest.raises(TypeError):
        Nothing(z_dim=8, resolution=32)
