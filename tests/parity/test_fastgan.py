"""The FastGAN generators against images of the reference implementation."""

import pytest
import torch

from parity.reference import (
    TOLERANCE,
    load_by_rule,
    load_reference,
    read_parity,
    relative_error,
    rs,
)
from projgan.generators import FastGAN
from projgan.importers.fastgan_names import (
    FASTGAN_CONDITIONAL_LITE_NAMES,
    FASTGAN_CONDITIONAL_NAMES,
    FASTGAN_LITE_NAMES,
    FASTGAN_NAMES,
)

pytestmark = pytest.mark.parity
NAMES = {True: FASTGAN_LITE_NAMES, False: FASTGAN_NAMES}
CONDITIONAL_NAMES = {True: FASTGAN_CONDITIONAL_LITE_NAMES, False: FASTGAN_CONDITIONAL_NAMES}
CLASSES = torch.tensor([3, 7])


@pytest.mark.parametrize("file", ["fastgan", "fastgan_lite"])
def test_stored_weights_give_the_reference_image(file):
    stored, _ = read_parity(file)
    lite = file == "fastgan_lite"
    generator = FastGAN(z_dim=64, resolution=256, width=16, lite=lite).eval()
    start = "state.synthesis."
    state = {key.removeprefix(start): v for key, v in stored.items() if key.startswith(start)}
    assert load_reference(generator, NAMES[lite], state) == set()
    with torch.no_grad():
        image = generator(stored["z"])
    assert relative_error(image, stored["image_eval"]) < TOLERANCE


@pytest.mark.parametrize(
    ("kind", "resolution"),
    [("lite", 128), ("lite", 256), ("lite", 512), ("lite", 1024), ("full", 128), ("full", 256)],
)
def test_rule_made_weights_give_the_reference_image(kind, resolution):
    stored = read_parity("fastgan_images")[0][f"{kind}_uncond_{resolution}"]
    step = resolution // stored.shape[-1]  # every so many pixels of the image are stored
    generator = FastGAN(z_dim=64, resolution=resolution, width=16, lite=kind == "lite").eval()
    load_by_rule(generator, NAMES[kind == "lite"], prefix="synthesis.")
    z = torch.from_numpy(rs("z").randn(2, 64)).float()
    torch.manual_seed(123)  # the noise of the full generator, layer by layer
    with torch.no_grad():
        image = generator(z)[:, :, ::step, ::step]
    assert relative_error(image, stored) < TOLERANCE


@pytest.mark.parametrize("resolution", [128, 256])
@pytest.mark.parametrize("kind", ["lite", "full"])
@torch.no_grad()
def test_conditional_generators_give_the_reference_image(kind, resolution):
    stored = read_parity("fastgan_images")[0][f"{kind}_cond_{resolution}"]
    step = resolution // stored.shape[-1]
    lite = kind == "lite"
    generator = FastGAN(
        z_dim=64, resolution=resolution, width=16, lite=lite, num_classes=1000
    ).eval()
    load_by_rule(generator, CONDITIONAL_NAMES[lite], prefix="synthesis.")
    z = torch.from_numpy(rs("z").randn(2, 64)).float()

    def error(classes):
        torch.manual_seed(123)
        return relative_error(generator(z, classes)[:, :, ::step, ::step], stored)

    assert error(CLASSES) < TOLERANCE
    assert error(CLASSES.flip(0)) > 100 * TOLERANCE  # the image tells of the classes


def test_noise_is_tested_by_the_stored_images():
    """With other noise the full generator misses the stored image: the comparison sees noise."""
    stored = read_parity("fastgan_images")[0]["full_uncond_128"]
    step = 128 // stored.shape[-1]
    generator = FastGAN(z_dim=64, resolution=128, width=16, lite=False).eval()
    load_by_rule(generator, FASTGAN_NAMES, prefix="synthesis.")
    z = torch.from_numpy(rs("z").randn(2, 64)).float()
    torch.manual_seed(124)
    with torch.no_grad():
        image = generator(z)[:, :, ::step, ::step]
    assert relative_error(image, stored) > 100 * TOLERANCE
