import copy
import math

import pytest
import torch
from torch import nn

from projgan.errors import UsageError
from projgan.generators import StyleGAN2, StyleGenerator, build_generator
from projgan.generators.stylegan2 import RESOLUTIONS
from projgan.layers.noise import NoiseInjection, set_noise_mode


def make(*, resolution: int = 32, seed: int = 0) -> StyleGAN2:
    torch.manual_seed(seed)
    return StyleGAN2(
        z_dim=16, resolution=resolution, w_dim=12, channel_base=8 * resolution, channel_max=16
    )


def latents(count: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def still(generator: StyleGAN2) -> StyleGAN2:
    """In evaluation, with noise that is heard but fixed, and a mean style other than 0."""
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            nn.init.constant_(module.weight, 0.3)
    set_noise_mode(generator, "const")
    generator.w_avg.normal_(generator=torch.Generator().manual_seed(5))
    return generator.eval()


def count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


def test_parameter_count_is_the_reference_s():
    with torch.device("meta"):
        assert count_parameters(StyleGAN2()) == 24_615_586
        ours = build_generator("stylegan2", z_dim=64, resolution=256, width=256)
    assert count_parameters(ours) == 24_615_586


@pytest.mark.parametrize(
    ("width", "channels"),
    [
        # From 4 to 1024 px. The first row is the reference's.
        (256, (512, 512, 512, 512, 512, 256, 128, 64, 32)),
        (64, (256, 256, 256, 256, 128, 64, 32, 16, 8)),
        (8, (32, 32, 32, 32, 16, 8, 4, 2, 1)),
        (512, (512, 512, 512, 512, 512, 512, 256, 128, 64)),
    ],
)
def test_width_means_channels_at_128(width, channels):
    with torch.device("meta"):
        generator = build_generator("stylegan2", z_dim=64, resolution=1024, width=width)
    blocks = generator.synthesis.blocks
    assert tuple(blocks[name].to_image.conv.weight.shape[1] for name in blocks) == channels


@pytest.mark.parametrize("resolution", [8, 32, 128])
def test_makes_images_and_uses_every_parameter(resolution):
    generator = make(resolution=resolution)
    images = generator(latents())
    assert images.shape == (3, 3, resolution, resolution)
    images.square().sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, f"{name} is not used"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"
        assert parameter.grad.abs().max() > 0, f"{name} has no gradient"


def test_fresh_images_have_the_size_of_pictures():
    """Unlike a network that fades or explodes: equalised weights need no warm-up."""
    torch.manual_seed(0)
    with torch.no_grad():
        images = build_generator("stylegan2", z_dim=64, resolution=64, width=16)(torch.randn(8, 64))
    assert 0.3 < images.std() < 5


@pytest.mark.parametrize(("resolution", "rows"), [(8, 4), (64, 10), (256, 14), (1024, 18)])
def test_number_of_styles(resolution, rows):
    with torch.device("meta"):
        generator = make(resolution=resolution)
    assert generator.num_styles == rows == 2 * math.log2(resolution) - 2


@torch.no_grad()
def test_every_style_makes_its_part_and_nothing_coarser():
    """Row by row: the image changes, and never the blocks before the row's own."""
    generator = still(make())
    styles = generator.styles(latents())
    blocks = list(generator.synthesis.blocks.values())

    def maps(styles_w: torch.Tensor) -> list[torch.Tensor]:
        seen = []
        hooks = [b.register_forward_hook(lambda _, __, out: seen.append(out[0])) for b in blocks]
        seen.append(generator.synthesize(styles_w))
        for hook in hooks:
            hook.remove()
        return seen

    before = maps(styles)
    for row in range(generator.num_styles):
        changed = styles.clone()
        changed[:, row] += 1
        after = maps(changed)
        assert not torch.equal(after[-1], before[-1]), f"style {row} is not used"
        own_block = (row + 1) // 2  # 0; 1, 2; 3, 4; ... the last row makes a part of the image only
        for number, (old, new) in enumerate(zip(before[:-1], after[:-1], strict=True)):
            is_same = torch.equal(old, new)
            assert is_same == (number < own_block), f"style {row}, block {number}"


@torch.no_grad()
def test_scaling_a_latent_changes_nothing():
    generator = still(make())
    torch.testing.assert_close(generator(3 * latents()), generator(latents()))


def test_same_seed_gives_the_same_weights():
    first, second, other = make(), make(), make(seed=1)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert not torch.equal(first.synthesis.start, other.synthesis.start)


@torch.no_grad()
def test_evaluation_treats_each_latent_by_itself():
    generator, z = still(make()), latents(4)
    alone = torch.cat([generator(row[None]) for row in z])
    torch.testing.assert_close(alone, generator(z))


@torch.no_grad()
def test_noise_modes():
    generator, z = still(make()), latents()
    const = generator(z)
    assert torch.equal(generator(z), const)
    set_noise_mode(generator, "none")
    none = generator(z)
    assert not torch.equal(none, const)
    set_noise_mode(generator, "random")
    assert not torch.equal(generator(z), generator(z))
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            module.weight.zero_()
    assert torch.equal(generator(z), none)


def test_each_noise_layer_has_a_stored_map_of_its_own():
    generator = make()
    names = [name for name in generator.state_dict() if name.endswith("fixed_noise")]
    assert len(names) == 7  # one at 4 px, two at 8, 16 and 32
    maps = {generator.state_dict()[name].flatten()[:8].numpy().tobytes() for name in names}
    assert len(maps) == len(names)


# The mean style.


def test_training_moves_the_mean_style_and_evaluation_does_not():
    generator, z = make(), latents(8)
    generator.eval()(z)
    assert not generator.w_avg.any()
    generator.train()(z)
    w = generator.mapping(z).detach()
    torch.testing.assert_close(generator.w_avg, 0.002 * w.mean(dim=0))
    with torch.no_grad():
        generator(z)
    torch.testing.assert_close(generator.w_avg, (0.002 + 0.998 * 0.002) * w.mean(dim=0))
    assert not generator.w_avg.requires_grad


@torch.no_grad()
def test_psi_zero_is_the_mean_image_and_psi_one_changes_nothing():
    generator, z = still(make()), latents(4)
    styles = generator.styles(z)
    mean = generator.synthesize(generator.w_avg.expand(1, generator.num_styles, -1))
    images = generator.synthesize(generator.truncate(styles, 0.0))
    torch.testing.assert_close(images, mean.expand_as(images))
    assert torch.equal(generator.truncate(styles, 1.0), styles)


@torch.no_grad()
def test_psi_is_the_share_of_the_way_from_the_mean():
    generator = still(make())
    styles = generator.styles(latents())
    for psi in (-1.0, 0.3, 0.7, 1.5):
        expected = generator.w_avg + psi * (styles - generator.w_avg)
        torch.testing.assert_close(generator.truncate(styles, psi), expected)


@torch.no_grad()
def test_cutoff_leaves_the_later_rows_alone():
    generator = still(make())
    styles = generator.styles(latents())
    truncated = generator.truncate(styles, 0.5, cutoff=3)
    assert torch.equal(truncated[:, 3:], styles[:, 3:])
    assert torch.equal(truncated[:, :3], generator.truncate(styles, 0.5)[:, :3])
    assert not torch.equal(truncated[:, 2], styles[:, 2])
    everything = generator.truncate(styles, 0.5, cutoff=generator.num_styles)
    assert torch.equal(everything, generator.truncate(styles, 0.5))


@pytest.mark.parametrize("psi", [70.0, -3.0, float("nan")])
def test_psi_out_of_range_is_refused(psi):
    with pytest.raises(UsageError, match="between -2 and 2"):
        make().truncate(torch.zeros(1, 8, 12), psi)


@pytest.mark.parametrize("cutoff", [0, 9])
def test_cutoff_out_of_range_names_the_range(cutoff):
    with pytest.raises(UsageError, match="between 1 and 8"):
        make().truncate(torch.zeros(1, 8, 12), 0.5, cutoff=cutoff)


# Around it.


def test_compiles_in_one_graph():
    """Forward and backward, in training with fresh noise, and in evaluation."""
    generator, twin = make(resolution=16), make(resolution=16)
    compiled = torch.compile(generator, fullgraph=True, backend="aot_eager")
    for mode in (True, False):
        generator.train(mode)
        twin.train(mode)
        images = []
        for network in (compiled, twin):
            torch.manual_seed(3)
            images.append(network(latents()))
            images[-1].square().mean().backward()
        torch.testing.assert_close(*images)
    torch.testing.assert_close(generator.w_avg, twin.w_avg)
    for mine, other in zip(generator.parameters(), twin.parameters(), strict=True):
        torch.testing.assert_close(mine.grad, other.grad)


def test_a_copy_is_independent():
    generator = make()
    twin = copy.deepcopy(generator)
    generator(latents())
    assert generator.w_avg.any()
    assert not twin.w_avg.any()


def test_it_is_a_style_generator_of_the_sizes_asked_for():
    generator = build_generator("stylegan2", z_dim=16, resolution=64, width=8)
    assert isinstance(generator, StyleGenerator)
    assert (generator.z_dim, generator.resolution, generator.w_dim) == (16, 64, 128)
    assert len(generator.mapping.layers) == 2


def test_refuses_sizes_that_it_does_not_offer():
    with pytest.raises(UsageError, match=", ".join(map(str, RESOLUTIONS))):
        make(resolution=96)
    with pytest.raises(UsageError, match="at least 8"):
        build_generator("stylegan2", z_dim=16, resolution=64, width=7)
    with pytest.raises(UsageError, match="no channel at 64"):
        StyleGAN2(resolution=64, channel_base=32)
    with pytest.raises(UsageError, match="at least 1 mapping layer"):
        StyleGAN2(mapping_layers=0)
