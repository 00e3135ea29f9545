from __future__ import annotations

import pytest

from projgan.errors import UsageError
from projgan.features.blueprint import Blueprint, draw_blueprint, nearest_size
from projgan.features.cutting import create, only_size


def blueprint(name: str) -> Blueprint:
    return draw_blueprint(name, create(name))


@pytest.mark.parametrize(
    "name, channels",
    [
        ("lite3", (32, 48, 136, 384)),
        ("tf_efficientnet_b0", (24, 40, 112, 320)),
        ("resnet18", (64, 128, 256, 512)),
        ("resnet50_clip", (256, 512, 1024, 2048)),
        ("regnety_004", (48, 104, 208, 440)),
        ("convnext_atto", (40, 80, 160, 320)),
        ("mobilenetv3_small_100", (16, 24, 48, 576)),
        ("mobilenetv2_050", (16, 16, 48, 160)),
        ("swin_tiny_patch4_window7_224", (96, 192, 384, 768)),
    ],
)
def test_pyramids_are_cut_at_strides_4_to_32(name: str, channels: tuple[int, ...]) -> None:
    plan = blueprint(name)
    assert plan.channels == channels
    assert plan.strides == (4, 8, 16, 32)
    assert (plan.patch, plan.step, plan.smallest) == (0, 32, 128)


@pytest.mark.parametrize(
    "name, taps, channels, patch",
    [
        ("deit_tiny_patch16_224", (2, 5, 8, 11), (24, 48, 96, 192), 16),
        ("deit_tiny_distilled_patch16_224", (2, 5, 8, 11), (24, 48, 96, 192), 16),
        ("vit_small_patch14_dinov2", (2, 5, 8, 11), (48, 96, 192, 384), 14),
    ],
)
def test_transformers_are_tapped_at_quarters(
    name: str, taps: tuple[int, ...], channels: tuple[int, ...], patch: int
) -> None:
    plan = blueprint(name)
    assert (plan.taps, plan.channels, plan.patch) == (taps, channels, patch)
    assert plan.strides == (patch / 4, patch / 2, patch, 2 * patch)
    assert (plan.step, plan.smallest) == (2 * patch, 8 * patch)


@pytest.mark.parametrize(
    "name, native, size",
    [
        ("lite1", 240, None),
        ("tf_efficientnet_b0", 224, 224),
        ("deit_tiny_patch16_224", 224, 224),
        ("vit_tiny_patch16_384", 384, 224),
        ("vit_small_patch14_dinov2", 518, 224),
        ("vit_small_patch32_224", 224, 256),
        ("swin_tiny_patch4_window7_224", 224, 224),
        ("test_resnet", 160, None),
    ],
)
def test_size_that_a_network_always_sees(name: str, native: int, size: int | None) -> None:
    """224 px for transformers, or the nearest size that its patches make an even grid of."""
    plan = blueprint(name)
    assert (plan.native_size, plan.size) == (native, size)
    assert only_size(name) == size


@pytest.mark.parametrize(
    "name, mean",
    [("lite4", 0.5), ("vit_small_patch16_224", 0.5), ("resnet18", 0.485), ("convnext_atto", 0.485)],
)
def test_input_statistics_are_the_networks_own(name: str, mean: float) -> None:
    assert blueprint(name).mean[0] == mean


@pytest.mark.parametrize(
    "name, problem",
    [
        ("levit_128s", "strides 16, 32, 64; needed: 4, 8, 16 and 32"),
        ("mixer_s32_224", "strides 32; needed: 4, 8, 16 and 32"),
        ("resnet18.made_up", "Invalid pretrained tag"),
    ],
)
def test_networks_that_give_other_maps_are_refused(name: str, problem: str) -> None:
    with pytest.raises(UsageError, match=problem):
        blueprint(name)


def test_nearest_size() -> None:
    assert [nearest_size(224, step) for step in (28, 32, 64, 100)] == [224, 224, 256, 200]
