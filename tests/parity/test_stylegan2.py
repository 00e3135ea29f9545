"""StyleGAN2 against styles and images of the reference implementation; noise is constant."""

import pytest
import torch

from parity.reference import TOLERANCE, read_parity, relative_error
from projgan.generators import StyleGAN2
from projgan.importers.stylegan2_names import stylegan2_name
from projgan.layers.noise import NoiseInjection, set_noise_mode

pytestmark = pytest.mark.parity
FORMATS = [torch.contiguous_format, torch.channels_last]


@pytest.fixture(scope="module")
def stored():
    return read_parity("stylegan2")[0]


@pytest.fixture(params=FORMATS, ids=["contiguous", "channels_last"])
def generator(request, stored):
    generator = StyleGAN2(resolution=64, channel_base=4096, channel_max=128).eval()
    state = {key.removeprefix("state."): v for key, v in stored.items() if key.startswith("state.")}
    own = generator.state_dict()
    names = {ours: stylegan2_name(ours) for ours in own}
    # Shapes differ by axes of length 1 only.
    generator.load_state_dict({ours: state[names[ours]].view(own[ours].shape) for ours in own})
    unused = set(state) - set(names.values())
    # The filter, which is a constant here.
    assert {name.rpartition(".")[2] for name in unused} == {"resample_filter"}
    set_noise_mode(generator, "const")
    return generator.to(memory_format=request.param)


@torch.no_grad()
def test_styles_and_image(generator, stored):
    styles = generator.styles(stored["z"])
    for row in styles.unbind(dim=1):
        assert relative_error(row, stored["w"]) < TOLERANCE
    assert relative_error(generator.synthesize(styles), stored["image"]) < TOLERANCE
    assert torch.equal(generator(stored["z"]), generator.synthesize(styles))


@torch.no_grad()
def test_truncated_styles_and_image(generator, stored):
    styles = generator.truncate(generator.styles(stored["z"]), 0.5)
    for row in styles.unbind(dim=1):
        assert relative_error(row, stored["w_trunc05"]) < TOLERANCE
    assert relative_error(generator.synthesize(styles), stored["image_trunc05"]) < TOLERANCE


@torch.no_grad()
def test_the_image_tests_noise_and_truncation(generator, stored):
    """Without either of them the stored images are missed: the comparisons above see them."""
    assert all(m.weight != 0 for m in generator.modules() if isinstance(m, NoiseInjection))
    assert relative_error(generator(stored["z"]), stored["image_trunc05"]) > 100 * TOLERANCE
    set_noise_mode(generator, "none")
    assert relative_error(generator(stored["z"]), stored["image"]) > 100 * TOLERANCE
