from __future__ import annotations

import pytest
import timm
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.errors import UsageError
from projgan.features.backbones import FEATURE_NETWORKS, FeatureNetwork
from projgan.features.weights import LITE_WEIGHTS, load_lite_state_dict


def pictures(size: int, count: int = 2) -> Tensor:
    generator = torch.Generator().manual_seed(size)
    return torch.rand(count, 3, size, size, generator=generator) * 2 - 1


@pytest.fixture(scope="module")
def lite0() -> FeatureNetwork:
    return FeatureNetwork("lite0")


@pytest.mark.parametrize("size, sides", [(256, (64, 32, 16, 8)), (224, (56, 28, 14, 7))])
def test_four_maps_finest_first(lite0: FeatureNetwork, size: int, sides: tuple[int, ...]) -> None:
    maps = lite0(pictures(size))
    assert lite0.channels == (24, 40, 112, 320)
    assert lite0.strides == (4, 8, 16, 32)
    assert [tuple(m.shape) for m in maps] == [
        (2, c, side, side) for c, side in zip(lite0.channels, sides, strict=True)
    ]


@pytest.mark.parametrize("name", ["lite0", "lite1"])
def test_maps_are_those_of_the_timm_network(name: str) -> None:
    """Folding, frozen mode and the way of loading change nothing."""
    network = timm.create_model(
        LITE_WEIGHTS[name].timm_model, features_only=True, out_indices=(1, 2, 3, 4)
    )
    wanted = network.state_dict().keys()
    state = load_lite_state_dict(name)
    network.load_state_dict({key: state[key] for key in wanted})
    x = pictures(128)
    with torch.no_grad():
        expected = network.eval()(x)
        actual = FeatureNetwork(name)(x)
    for a, b in zip(actual, expected, strict=True):
        assert (a - b).abs().max() <= 1e-5 * b.abs().max()


def test_reference_differs_by_its_statistics_alone(lite0: FeatureNetwork) -> None:
    """A grey picture in training mode: what tests/parity shows the official numbers to contain."""
    x = pictures(128)
    shifted = FeatureNetwork("lite0-reference")(x)
    for a, b in zip(shifted, lite0(x), strict=True):
        assert 0.05 < (a - b).abs().max() / b.abs().max() < 0.6
        assert torch.corrcoef(torch.stack([a.flatten(), b.flatten()]))[0, 1] > 0.8


def test_train_and_requires_grad_do_not_thaw(lite0: FeatureNetwork) -> None:
    before = {name: value.clone() for name, value in lite0.state_dict().items()}
    lite0.train()
    lite0.requires_grad_(True)
    nn.ModuleList([lite0]).train()
    assert not any(module.training for module in lite0.modules())
    assert not any(parameter.requires_grad for parameter in lite0.parameters())
    lite0(pictures(128))
    for name, value in lite0.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_gradient_passes_through_and_stays_nowhere(lite0: FeatureNetwork) -> None:
    for scale in range(4):
        x = pictures(128).requires_grad_()
        lite0(x)[scale].square().mean().backward()
        assert x.grad is not None and torch.isfinite(x.grad).all()
        # Every picture gets its share, at nearly every pixel.
        assert (x.grad.abs().amax(dim=1) > 0).float().mean(dim=(1, 2)).min() > 0.9
    assert all(parameter.grad is None for parameter in lite0.parameters())


def test_resize_only_where_asked_for(lite0: FeatureNetwork) -> None:
    x = pictures(64)
    resizing = FeatureNetwork("lite0", input_size=128)
    by_hand = F.interpolate(x, size=(128, 128), mode="bilinear", align_corners=False)
    assert torch.equal(resizing(x)[3], lite0(by_hand)[3])
    assert torch.equal(resizing(by_hand)[3], lite0(by_hand)[3])
    assert lite0(x)[3].shape[-1] == 2


def test_channels_last_stays(lite0: FeatureNetwork) -> None:
    x = pictures(128).to(memory_format=torch.channels_last)
    for x_map in lite0(x):
        assert x_map.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("pretrained", [True, False])
def test_global_random_stream_is_left_alone(pretrained: bool) -> None:
    before = torch.get_rng_state()
    FeatureNetwork("lite0", pretrained=pretrained)
    assert torch.equal(torch.get_rng_state(), before)


def test_random_weights_are_always_the_same(lite0: FeatureNetwork) -> None:
    x = pictures(128)
    torch.manual_seed(1)
    first = FeatureNetwork("lite0", pretrained=False)(x)
    torch.manual_seed(2)
    second = FeatureNetwork("lite0", pretrained=False)(x)
    for a, b, imagenet in zip(first, second, lite0(x), strict=True):
        assert torch.equal(a, b)
        assert not torch.allclose(a, imagenet, rtol=0.5)
        assert 0.1 < a.std() < 100


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        FeatureNetwork("vgg")
    for name in FEATURE_NETWORKS:
        assert name in str(caught.value)


@pytest.mark.parametrize(
    ("size", "seen"),
    [
        ((64, 64), (224, 224)),
        ((64, 96), (224, 352)),
        ((96, 64), (352, 224)),
        ((192, 256), (224, 288)),
        ((300, 300), (224, 224)),
        ((224, 512), (224, 512)),
    ],
)
def test_rectangles_keep_their_ratio_in_steps(size: tuple[int, int], seen: tuple[int, int]) -> None:
    network = FeatureNetwork("lite0", pretrained=False, input_size=224)
    assert network.seen_size(*size) == seen
    assert network.resize(torch.zeros(1, 3, *size)).shape[2:] == seen
    free = FeatureNetwork("lite0", pretrained=False)
    assert free.seen_size(*size) == size


def test_networks_of_one_size_squash_rectangles() -> None:
    network = FeatureNetwork("tf_efficientnet_b0", pretrained=False)
    assert network.seen_size(64, 96) == (224, 224)
    assert network(torch.zeros(1, 3, 64, 96))[0].shape[2:] == (56, 56)
