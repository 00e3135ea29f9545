"""Generators with classes: what a label changes, at every size, and who can have classes."""

import math

import pytest
import torch
import torch.nn.functional as F

from projgan.errors import UsageError
from projgan.generators import FastGAN, Generator, StyleGAN2, base, build_generator, register
from projgan.generators.fastgan import RESOLUTIONS
from projgan.layers.noise import NoiseInjection, has_noise, set_noise_mode

NAMES = ("fastgan-lite", "fastgan", "stylegan2")
CLASSES = 3


def build(name: str, *, resolution: int = 32, num_classes: int = CLASSES, seed: int = 0):
    torch.manual_seed(seed)
    return build_generator(name, z_dim=16, resolution=resolution, width=8, num_classes=num_classes)


def latents(count: int = 3) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(1))


def settled(generator: Generator) -> Generator:
    """In evaluation, after forwards that align the spectral norms and fill the batch norms."""
    for seed in range(3):
        torch.manual_seed(seed)
        generator(torch.randn(9, 16), torch.arange(9) % CLASSES)
    set_noise_mode(generator, "const")
    return generator.eval()


@pytest.mark.parametrize("name", NAMES)
@torch.no_grad()
def test_another_class_is_another_picture(name):
    generator = settled(build(name))
    z = latents(1).expand(3, -1)
    images = generator(z, torch.tensor([0, 1, 0]))
    assert torch.allclose(images[0], images[2], atol=1e-5)
    assert (images[0] - images[1]).abs().max() > 1e-3
    assert generator.num_classes == CLASSES


@pytest.mark.parametrize("name", NAMES)
def test_every_parameter_learns_and_only_rows_of_classes_seen(name):
    generator = build(name)
    for layer in generator.modules():  # as after some training: noise is heard
        if isinstance(layer, NoiseInjection):
            torch.nn.init.constant_(layer.weight, 0.3)
    images = generator(latents(4), torch.tensor([0, 2, 2, 0]))
    images.square().sum().backward()
    for key, parameter in generator.named_parameters():
        assert parameter.grad is not None and parameter.grad.any(), f"{key} is not used"
    embed = generator.mapping.embed if name == "stylegan2" else generator.embed
    rows = embed.weight.grad if name != "stylegan2" else embed.weight.grad.T
    assert len(rows) == CLASSES
    assert rows[0].any() and rows[2].any() and not rows[1].any()


@pytest.mark.parametrize("lite", [True, False])
@pytest.mark.parametrize("resolution", RESOLUTIONS)
@torch.no_grad()
def test_fastgan_has_classes_at_every_size(lite, resolution):
    """The reference cannot be built above 256 px."""
    generator = FastGAN(z_dim=8, resolution=resolution, width=8, lite=lite, num_classes=2).eval()
    assert generator(torch.randn(1, 8), torch.tensor([1])).shape == (1, 3, resolution, resolution)


@torch.no_grad()
def test_stylegan2_has_classes_at_every_size():
    for resolution in (32, 256):
        images = build("stylegan2", resolution=resolution)(latents(1), torch.tensor([1]))
        assert images.shape == (1, 3, resolution, resolution)
    with torch.device("meta"):
        for resolution in RESOLUTIONS:
            assert build("stylegan2", resolution=resolution).mapping.num_classes == CLASSES


@pytest.mark.parametrize("count", [2, 7, 1001])
def test_there_are_as_many_classes_as_asked_for(count):
    for name in NAMES:
        generator = build(name, num_classes=count)
        last = torch.tensor([count - 1])
        assert generator.eval()(latents(1), last).shape == (1, 3, 32, 32)
    assert build("fastgan", num_classes=count).embed.weight.shape == (count, 16)


def test_the_label_enters_fastgan_by_the_norms_of_blocks_alone():
    generator = build("fastgan-lite", resolution=64)
    plain = {key for key, _ in build("fastgan-lite", resolution=64, num_classes=0).named_modules()}
    added = {key for key, _ in generator.named_modules()} - plain
    assert all(key == "embed" or key.startswith("blocks.") for key in added)
    width = 2 * 16  # channels before the GLU at 32 and 64 px, at width 8
    norm = generator.blocks["32"].norms[0]
    assert norm.gain.weight.shape == (width, 16)
    assert list(generator.blocks["32"].norms.children())[0] is norm


def test_both_noise_steps_of_a_conditional_block_share_their_amount():
    generator = build("fastgan")
    layers = [layer for layer in generator.modules() if isinstance(layer, NoiseInjection)]
    assert len(layers) == len(generator.blocks)
    assert has_noise(generator) and not has_noise(build("fastgan-lite"))
    settled(generator)
    z, c = latents(1), torch.tensor([1])
    silent = generator(z, c)
    torch.nn.init.constant_(layers[-1].weight, 0.5)
    assert not torch.allclose(generator(z, c), silent, atol=1e-4)
    assert torch.equal(generator(z, c), generator(z, c))  # fixed, as films need it


@torch.no_grad()
def test_the_mapping_in_numbers():
    """Label and latent, each of mean square 1, side by side; then layers as without classes."""
    torch.manual_seed(0)
    mapping = StyleGAN2(
        z_dim=6, resolution=8, w_dim=10, channel_base=64, num_classes=4
    ).mapping.eval()
    torch.nn.init.normal_(mapping.embed.bias)
    z, c = torch.randn(3, 6), torch.tensor([2, 0, 2])
    label = F.one_hot(c, 4).float() @ mapping.embed.weight.T / math.sqrt(4) + mapping.embed.bias
    w = torch.cat(
        [part / part.square().mean(dim=1, keepdim=True).sqrt() for part in (z, label)], dim=1
    )
    for layer in mapping.layers:
        w = w @ layer.weight.T * 0.01 / math.sqrt(w.shape[1]) + layer.bias * 0.01
        w = F.leaky_relu(w, 0.2) * math.sqrt(2)
    torch.testing.assert_close(mapping(z, c), w, rtol=1e-4, atol=1e-6)
    assert mapping.layers[0].weight.shape == (10, 16)


def test_the_mean_style_is_that_of_all_classes():
    generator = build("stylegan2")
    z, c = latents(6), torch.tensor([0, 1, 2, 0, 1, 2])
    w = generator.styles(z, c)
    torch.testing.assert_close(generator.w_avg, 0.002 * w[:, 0].mean(dim=0))


def test_without_classes_weights_are_what_they_were():
    """Runs and snapshots from before there were classes fit, and a seed starts the same run."""
    for name in NAMES:
        torch.manual_seed(0)
        plain = build_generator(name, z_dim=16, resolution=32, width=8)
        torch.manual_seed(0)
        zero = build_generator(name, z_dim=16, resolution=32, width=8, num_classes=0)
        first, second = plain.state_dict(), zero.state_dict()
        assert first.keys() == second.keys()
        assert all(torch.equal(first[key], second[key]) for key in first)
        assert not any("embed" in key for key in first)


@pytest.mark.parametrize("name", NAMES)
def test_a_label_is_needed_with_classes_and_refused_without(name):
    with pytest.raises(UsageError, match="needs a label"):
        build(name)(latents())
    with pytest.raises(UsageError, match="without classes"):
        build(name, num_classes=0)(latents(), torch.tensor([0, 1, 2]))


def test_a_builder_without_num_classes_is_refused_by_name(monkeypatch):
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))

    @register("plain-only")
    def build_plain(*, z_dim: int, resolution: int, width: int) -> Generator:
        return FastGAN(z_dim=z_dim, resolution=resolution, width=width, lite=True)

    build("plain-only", num_classes=0)
    message = "plain-only cannot be trained with classes: its builder takes no num_classes"
    with pytest.raises(UsageError, match=message):
        build("plain-only")


def test_a_builder_may_hand_on_whatever_it_is_given(monkeypatch):
    monkeypatch.setattr(base, "_BUILDERS", dict(base._BUILDERS))
    register("anything")(lambda **sizes: FastGAN(**sizes, lite=True))
    assert build("anything").num_classes == CLASSES
