import pytest
import torch
from torch import nn

from projgan.errors import UsageError
from projgan.generators import FastGAN, build_generator
from projgan.generators.fastgan import RESOLUTIONS
from projgan.layers.noise import NoiseInjection, set_noise_mode

PAPER_PARAMETERS = {
    # (lite, resolution): counted in the reference at width 128, z_dim 256
    (False, 128): 105_685_903,
    (False, 256): 105_684_175,
    (False, 512): 105_870_961,
    (False, 1024): 105_884_483,
    (True, 128): 79_356_035,
    (True, 256): 79_354_307,
    (True, 512): 79_522_531,
    (True, 1024): 79_531_379,
}


def make(*, resolution: int = 64, width: int = 8, lite: bool = True, seed: int = 0) -> FastGAN:
    torch.manual_seed(seed)
    return FastGAN(z_dim=16, resolution=resolution, width=width, lite=lite)


def latents(count: int = 3, seed: int = 1) -> torch.Tensor:
    return torch.randn(count, 16, generator=torch.Generator().manual_seed(seed))


def settled(generator: FastGAN) -> FastGAN:
    """In evaluation, after forwards that align the spectral norms and fill the batch norms."""
    for seed in range(3):
        generator(latents(8, seed=seed))
    return generator.eval()


def count_parameters(module: nn.Module) -> int:
    return sum(p.numel() for p in module.parameters())


@pytest.mark.parametrize(("lite", "resolution"), list(PAPER_PARAMETERS))
def test_parameter_count_is_the_reference_s(lite, resolution):
    with torch.device("meta"):
        generator = FastGAN(resolution=resolution, lite=lite)
        unused = 0
        if resolution == 128:
            # The reference builds block and excitation of 256 px at 128 px too, without use.
            larger = FastGAN(resolution=256, lite=lite)
            unused = count_parameters(larger.blocks["256"])
            unused += count_parameters(larger.excitations["256"])
    assert count_parameters(generator) == PAPER_PARAMETERS[lite, resolution] - unused


@pytest.mark.parametrize("lite", [True, False])
@pytest.mark.parametrize("resolution", [32, 64, 128])
def test_makes_images_and_uses_every_parameter(lite, resolution):
    generator = make(resolution=resolution, lite=lite)
    images = generator(latents())
    assert images.shape == (3, 3, resolution, resolution)
    images.square().sum().backward()
    for name, parameter in generator.named_parameters():
        assert parameter.grad is not None, f"{name} is not used"
        assert parameter.grad.isfinite().all(), f"{name} has a gradient that is not finite"


@pytest.mark.parametrize("width", [8, 16, 32])
@pytest.mark.parametrize("resolution", RESOLUTIONS)
def test_small_widths_work_at_all_resolutions(width, resolution):
    with torch.device("meta"):
        generator = make(resolution=resolution, width=width)
    share = {32: 2, 64: 2, 128: 1, 256: 1 / 2, 512: 1 / 4, 1024: 1 / 8}[resolution]
    assert generator.to_image.in_channels == share * width


def test_narrowest_and_largest_runs():
    generator = make(resolution=1024, width=8).eval()
    with torch.no_grad():
        assert generator(latents(1)).shape == (1, 3, 1024, 1024)


def test_excitation_gates_64_to_512_px():
    with torch.device("meta"):
        assert list(make(resolution=32).excitations) == []
        assert list(make(resolution=64).excitations) == ["64"]
        assert list(make(resolution=1024).excitations) == ["64", "128", "256", "512"]


@pytest.mark.parametrize("lite", [True, False])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_training_keeps_every_activation_channels_last(lite, dtype):
    generator = make(resolution=128, lite=lite).to(memory_format=torch.channels_last)
    wrong, seen = [], []

    def check(name: str, tensor: torch.Tensor) -> None:
        if tensor.dim() == 4:
            seen.append(name)
            if not tensor.is_contiguous(memory_format=torch.channels_last):
                wrong.append(name)

    for name, module in generator.named_modules():
        module.register_forward_hook(lambda _, __, out, name=name: check(f"{name} forward", out))
        module.register_full_backward_hook(
            lambda _, __, grads, name=name: check(f"{name} backward", grads[0])
        )
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
        images = generator(latents().requires_grad_())
    assert images.dtype == dtype
    # What a discriminator sends back to the images.
    images.backward(torch.randn_like(images))
    assert len(seen) > 60
    assert wrong == []


def test_gradient_reaches_the_latents():
    z = latents().requires_grad_()
    make()(z).square().sum().backward()
    assert (z.grad.abs().amax(dim=1) > 0).all()


def test_scaling_a_latent_changes_nothing():
    generator = settled(make())
    with torch.no_grad():
        torch.testing.assert_close(generator(3 * latents()), generator(latents()))


def test_images_are_not_bounded():
    generator = settled(make())
    nn.init.constant_(generator.to_image.bias, 5.0)
    with torch.no_grad():
        assert generator(latents()).min() > 4


def test_same_seed_gives_the_same_weights():
    first, second, other = make(lite=False), make(lite=False), make(lite=False, seed=1)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert not torch.equal(first.to_image.weight, other.to_image.weight)


@pytest.mark.parametrize("lite", [True, False])
def test_evaluation_treats_each_latent_by_itself(lite):
    generator = settled(make(resolution=128, lite=lite))
    set_noise_mode(generator, "const")
    z = latents(4)
    with torch.no_grad():
        together = generator(z)
        alone = torch.cat([generator(row[None]) for row in z])
    torch.testing.assert_close(alone, together)


def test_lite_is_a_function_of_its_latent_in_evaluation():
    generator, z = settled(make()), latents()
    with torch.no_grad():
        assert torch.equal(generator(z), generator(z))
    assert not any(isinstance(module, NoiseInjection) for module in generator.modules())


def test_full_has_fresh_noise_unless_it_is_held_still():
    generator, z = settled(make(lite=False)), latents()
    for module in generator.modules():
        if isinstance(module, NoiseInjection):
            nn.init.constant_(module.weight, 0.5)
    with torch.no_grad():
        assert not torch.equal(generator(z), generator(z))
        set_noise_mode(generator, "const")
        assert torch.equal(generator(z), generator(z))
        set_noise_mode(generator, "random")
        assert not torch.equal(generator(z), generator(z))


def test_noise_layers_of_a_generator_have_different_fixed_maps():
    noises = [m for m in make(lite=False).modules() if isinstance(m, NoiseInjection)]
    maps = {noise.fixed_noise.flatten()[:8].numpy().tobytes() for noise in noises}
    assert len(noises) == 8
    assert len(maps) == len(noises)


@pytest.mark.parametrize(("name", "lite"), [("fastgan", False), ("fastgan-lite", True)])
def test_registered_names_build_the_two_forms(name, lite):
    generator = build_generator(name, z_dim=16, resolution=64, width=8)
    assert isinstance(generator, FastGAN)
    assert (generator.z_dim, generator.resolution) == (16, 64)
    assert count_parameters(generator) == count_parameters(make(lite=lite))


def test_refuses_sizes_that_it_does_not_offer():
    with pytest.raises(UsageError, match="32, 64, 128, 256, 512, 1024"):
        make(resolution=96)
    with pytest.raises(UsageError, match="at least 8"):
        make(width=7)
