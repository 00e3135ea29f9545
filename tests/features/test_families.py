"""Every family of feature networks, with random weights: the structure is what is tested."""

from __future__ import annotations

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file
from torch import Tensor

from projgan.errors import UsageError
from projgan.features.backbones import FeatureNetwork
from projgan.features.cutting import create
from projgan.features.random_weights import random_state
from projgan.rng import torch_stream

# One of each, the smallest. test_byobnet is of R50-CLIP's class.
PYRAMIDS = (
    "lite3",
    "tf_efficientnet_b0",
    "resnet18",
    "test_byobnet",
    "regnety_002",
    "convnext_atto",
    "mobilenetv3_small_100",
)
TRANSFORMERS = ("deit_tiny_patch16_224", "deit_tiny_distilled_patch16_224", "test_vit")


def pictures(size: int, count: int = 1) -> Tensor:
    generator = torch.Generator().manual_seed(size)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


def drawn_state(name: str) -> dict[str, Tensor]:
    """Random weights for a whole network, classifier included; its norms are not neutral."""
    stream = torch_stream(1, "weights of a test")
    state = random_state(create(name), stream)
    for key, value in state.items():
        if value.dim() == 1 and key.endswith(("weight", "running_var")):
            value.uniform_(0.5, 1.5, generator=stream)
        elif value.dim() == 1:
            value.normal_(std=0.1, generator=stream)
    return state


def drawn_file(name: str, folder: Path) -> Path:
    path = folder / f"{name}.safetensors"
    save_file(drawn_state(name), path)
    return path


def assert_close(actual: list[Tensor], expected: list[Tensor]) -> None:
    for a, b in zip(actual, expected, strict=True):
        assert a.shape == b.shape
        assert (a - b).abs().max() <= 1e-3 * b.abs().max()  # rounding, grown through the depth


def needs_inner_maps(name: str) -> None:
    if not hasattr(create(name), "forward_intermediates"):
        pytest.skip("skipped: this version of timm cannot take the inner maps of this network")


def normalised(network: FeatureNetwork, x: Tensor) -> Tensor:
    plan = network.blueprint
    mean, std = (torch.tensor(values).view(3, 1, 1) for values in (plan.mean, plan.std))
    return ((x + 1) / 2 - mean) / std


@pytest.mark.parametrize("name", PYRAMIDS)
@torch.no_grad()
def test_maps_of_a_pyramid_are_those_that_timm_gives(name: str, tmp_path: Path) -> None:
    """Loading, cutting, folding and normalising, against timm's own loading and taking."""
    path = drawn_file(name, tmp_path)
    network = FeatureNetwork(name, weights=path)
    plan = network.blueprint
    reference = timm.create_model(
        plan.timm_name,
        pretrained=True,
        pretrained_cfg_overlay={"file": str(path)},
        features_only=True,
        out_indices=plan.taps,
    ).eval()
    x = pictures(plan.size or 128)
    assert_close(network(x), reference(normalised(network, x)))
    assert tuple(m.shape[1] for m in network(x)) == plan.channels


@pytest.mark.parametrize("name", TRANSFORMERS[:2])
@torch.no_grad()
def test_maps_of_a_transformer_are_tokens_of_four_blocks(name: str, tmp_path: Path) -> None:
    path = drawn_file(name, tmp_path)
    network = FeatureNetwork(name, weights=path)
    whole = timm.create_model(
        network.blueprint.timm_name, pretrained=True, pretrained_cfg_overlay={"file": str(path)}
    ).eval()
    seen: dict[int, Tensor] = {}
    for number in (2, 5, 8, 11):
        whole.blocks[number].register_forward_hook(
            lambda module, args, output, number=number: seen.update({number: output})
        )
    x = pictures(224)
    whole(normalised(network, x))
    prefix = 2 if "distilled" in name else 1
    grids = [tokens[:, prefix:].transpose(1, 2).unflatten(2, (14, 14)) for tokens in seen.values()]
    assert network.tokens is not None
    maps = network(x)
    assert_close(maps, network.tokens(grids))
    assert [m.shape[-1] for m in maps] == [56, 28, 14, 7]


@torch.no_grad()
def test_a_transformer_of_another_size_keeps_all_but_its_positions(tmp_path: Path) -> None:
    """test_vit was trained on 160 px, a grid of 10; here it sees 224 px, a grid of 14."""
    network = FeatureNetwork("test_vit", weights=drawn_file("test_vit", tmp_path))
    assert (network.blueprint.native_size, network.input_size) == (160, 224)
    whole = drawn_state("test_vit")
    for key, value in network.network.state_dict().items():
        assert torch.equal(value, whole[key]) or key == "pos_embed"
    positions = network.network.state_dict()["pos_embed"]
    assert positions.shape[1] - whole["pos_embed"].shape[1] == 14**2 - 10**2
    assert [m.shape[-1] for m in network(pictures(64))] == [56, 28, 14, 7]


@torch.no_grad()
def test_the_clip_network_sees_any_size() -> None:
    """timm calls its size fixed, because of the pooling that is cut off here."""
    network = FeatureNetwork("resnet50_clip", pretrained=False)
    for size in (128, 192):
        assert [m.shape[-1] for m in network(pictures(size))] == [size // s for s in (4, 8, 16, 32)]


@torch.no_grad()
def test_patches_of_14_pixels_make_a_grid_of_16() -> None:
    """DINOv2: 224 px give the maps that other networks give for 256."""
    network = FeatureNetwork("vit_small_patch14_dinov2", pretrained=False)
    assert network.strides == (3.5, 7, 14, 28)
    maps = network(pictures(256))
    assert [tuple(m.shape[1:]) for m in maps] == [
        (48, 64, 64),
        (96, 32, 32),
        (192, 16, 16),
        (384, 8, 8),
    ]


@pytest.mark.parametrize("name", [*PYRAMIDS, *TRANSFORMERS])
def test_frozen_and_open_for_gradients(name: str) -> None:
    network = FeatureNetwork(name, pretrained=False)
    network.train()
    network.requires_grad_(True)
    before = {key: value.clone() for key, value in network.state_dict().items()}
    assert not any(module.training for module in network.modules())
    x = pictures(network.input_size or 128).requires_grad_()
    for x_map in network(x):
        (gradient,) = torch.autograd.grad(x_map.square().mean(), x, retain_graph=True)
        assert torch.isfinite(gradient).all()
        assert (gradient.abs().amax(dim=1) > 0).float().mean() > 0.9
    assert not any(p.requires_grad for p in network.parameters())
    assert all(torch.equal(value, before[key]) for key, value in network.state_dict().items())


@pytest.mark.parametrize("name", ["resnet18", "test_vit"])
def test_global_random_stream_is_left_alone(name: str) -> None:
    before = torch.get_rng_state()
    first = FeatureNetwork(name, pretrained=False)
    assert torch.equal(torch.get_rng_state(), before)
    torch.manual_seed(5)
    second = FeatureNetwork(name, pretrained=False)
    assert all(
        torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True)
    )


def test_seed_is_of_the_token_maps_alone() -> None:
    x = pictures(224)
    first, other = (FeatureNetwork("test_vit", pretrained=False, seed=seed) for seed in (0, 1))
    assert torch.equal(*(network.network.pos_embed for network in (first, other)))
    assert not torch.equal(first(x)[0], other(x)[0])


@pytest.mark.parametrize(
    "name, size, words",
    [
        ("tf_efficientnet_b0", 256, "sees pictures of 224 px .possible: no other., not of 256 px"),
        ("swin_tiny_patch4_window7_224", 256, "no other"),
        ("deit_tiny_patch16_224", 240, "multiples of 32 px, from 128 px"),
        ("vit_small_patch14_dinov2", 256, "multiples of 28 px, from 112 px"),
        ("test_vit", 96, "from 128 px"),
    ],
)
def test_sizes_that_a_network_cannot_have(name: str, size: int, words: str) -> None:
    with pytest.raises(UsageError, match=words) as caught:
        FeatureNetwork(name, pretrained=False, input_size=size)
    assert "features.input_size=reference" in caught.value.next_command


def test_a_network_whose_maps_do_not_fit_is_refused() -> None:
    """timm says 4, 8, 16 and 32, but without padding the maps come out smaller."""
    needs_inner_maps("inception_v3")
    with pytest.raises(UsageError, match=r"sides \[28, 13, 6, 2\] instead of \[32, 16, 8, 4\]"):
        FeatureNetwork("inception_v3", pretrained=False)


@pytest.mark.parametrize("name", ["resnet18", "mobilenetv3_small_100", "regnety_002"])
def test_batch_norms_are_folded_where_they_follow_a_convolution(name: str) -> None:
    network = FeatureNetwork(name, pretrained=False)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in network.modules())


@torch.no_grad()
def test_batch_norms_in_other_places_stay_and_count() -> None:
    """In a DenseNet, half of the norms follow a concatenation."""
    needs_inner_maps("densenet121")
    network = FeatureNetwork("densenet121", pretrained=False)
    left = [m for m in network.modules() if isinstance(m, torch.nn.BatchNorm2d)]
    assert len(left) == 62
