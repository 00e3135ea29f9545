"""Several feature networks at once, and one of every family: what heads see and learn from."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor

from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.errors import UsageError
from projgan.features.cutting import create
from projgan.features.random_weights import random_state
from projgan.rng import torch_stream

TWO = "test_resnet,test_vit"


def pictures(size: int, *, batch: int = 2, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.rand(batch, 3, size, size, generator=generator) * 2 - 1


def build(features: str = TWO, *, heads: int = 4, seed: int = 0) -> ProjectedDiscriminator:
    torch.manual_seed(0)
    return ProjectedDiscriminator(
        features=features, pretrained=False, kind="separable", num_heads=heads, seed=seed
    )


def test_names_of_one_network_are_what_they_were() -> None:
    """Checkpoints of runs with one network must fit for ever."""
    names = build("lite0").state_dict().keys()
    assert {name.split(".")[0] for name in names} == {"features", "projector", "heads"}
    for name in (
        "features.network.conv_stem.weight",
        "features.network.blocks.6.0.conv_pwl.bias",
        "projector.ccm.0.weight",
        "projector.csm.3.bias",
        "heads.scales.0.down.0.0.weight",
        "heads.scales.3.logits.u",
    ):
        assert name in names
    assert len(names) == 234


def test_logits_of_both_lie_side_by_side() -> None:
    """128 px gives the first network 4 logits; the second always sees 224 px, which gives 64."""
    both = build().eval()
    x = pictures(128)
    maps = both.project(x)
    assert [m.shape[-1] for m in maps] == [64, 32, 16, 8, 112, 56, 28, 14]
    logits = both.heads(maps)
    assert logits.shape == (2, 4 + 64)
    assert torch.equal(both(x), logits)
    first = build("test_resnet").eval()
    assert torch.equal(logits[:, :4], first(x))


def test_the_first_network_is_what_it_is_alone() -> None:
    alone, both = build("test_resnet"), build()
    frozen = {k: v for k, v in alone.state_dict().items() if not k.startswith("heads")}
    joint = both.state_dict()
    assert all(torch.equal(joint[key], value) for key, value in frozen.items())
    extra = {key.split(".")[0] for key in joint.keys() - frozen.keys()}
    assert extra == {"heads", "others"}


def test_projections_differ_by_place_name_and_seed() -> None:
    def second(features: str, seed: int = 0) -> Tensor:
        return build(features, seed=seed).others[0].projector.ccm[0].weight

    twice = build("test_vit,test_vit,test_vit2")
    own = [twice.projector, twice.others[0].projector]
    assert not torch.equal(own[0].ccm[0].weight, own[1].ccm[0].weight)
    token_maps = [twice.features.tokens, twice.others[0].features.tokens]
    assert not torch.equal(token_maps[0].mix[0].weight, token_maps[1].mix[0].weight)
    assert torch.equal(second("test_resnet,test_vit"), second("lite0,test_vit"))
    assert not torch.equal(second("lite0,test_vit"), second("lite0,test_vit2"))
    assert not torch.equal(second("lite0,test_vit"), second("lite0,test_vit", seed=1))


def test_fewer_heads_of_each() -> None:
    both = build(heads=2)
    maps = both.project(pictures(128))
    assert [m.shape[-1] for m in maps] == [64, 32, 112, 56]
    assert both.heads(maps).shape == (2, 2 * 1 + 2 * 16)


def test_a_step_changes_the_heads_alone() -> None:
    both = build()
    frozen = {k: v.clone() for k, v in both.state_dict().items() if not k.startswith("heads")}
    both.train()
    both.requires_grad_(True)
    optimizer = torch.optim.Adam(both.parameters(), lr=1e-3)
    both(pictures(128)).mean().backward()
    optimizer.step()
    state = both.state_dict()
    assert all(torch.equal(state[key], value) for key, value in frozen.items())
    assert all(p.grad is not None for p in both.trainable_parameters())
    assert {id(p) for p in both.parameters() if p.requires_grad} == {
        id(p) for p in both.trainable_parameters()
    }


def test_gradient_comes_back_through_both() -> None:
    both = build()
    x = pictures(128).requires_grad_()
    logits = both(x)
    for part in (logits[:, :4], logits[:, 4:]):
        (gradient,) = torch.autograd.grad(part.mean(), x, retain_graph=True)
        assert (gradient.abs().sum(dim=1) > 0).float().mean() > 0.9


def test_sizes_and_weights_one_each(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(random_state(create("test_vit"), torch_stream(5, "weights")), path)
    both = ProjectedDiscriminator(
        features=["lite0", "test_vit"], weights=["default", path], input_size=[128, 160]
    )
    assert both.features.source.kind == "package"
    assert both.others[0].features.source.path == path
    assert [m.shape[-1] for m in both.project(pictures(64))] == [64, 32, 16, 8, 80, 40, 20, 10]


def test_one_file_for_one_network(tmp_path: Path) -> None:
    path = tmp_path / "vit.safetensors"
    save_file(random_state(create("test_vit"), torch_stream(5, "weights")), path)
    for weights in (path, str(path), [path]):
        one = ProjectedDiscriminator(features="test_vit", weights=weights, kind="separable")
        assert one.features.source.path == path


def test_numbers_of_values_that_do_not_fit() -> None:
    with pytest.raises(UsageError, match="3 input sizes for 2 feature networks"):
        ProjectedDiscriminator(features=TWO, pretrained=False, input_size=[1, 2, 3])
    with pytest.raises(UsageError, match="1 weights files for 2 feature networks"):
        ProjectedDiscriminator(features=TWO, weights=["default"])


def test_state_dict_rebuilds_both() -> None:
    first = build()
    first(pictures(128))
    other = build(seed=9)
    other.load_state_dict(first.state_dict())
    x = pictures(128)
    assert torch.equal(other.eval()(x), first.eval()(x))


def test_pictures_that_one_of_them_cannot_take() -> None:
    with pytest.raises(UsageError, match="64x64 px are too small"):
        build()(pictures(64))


def test_two_with_real_weights_learn() -> None:
    """Noise against grey, with the heads of lite0 and of lite1: both tell them apart."""
    torch.manual_seed(0)
    both = ProjectedDiscriminator(features="lite0,lite1", kind="separable")
    assert [both.features.name, both.others[0].features.name] == ["lite0", "lite1"]
    optimizer = torch.optim.Adam(both.trainable_parameters(), lr=2e-3, betas=(0.0, 0.99))
    fake, real = torch.zeros(4, 3, 128, 128), pictures(128, batch=4)
    for _ in range(8):
        optimizer.zero_grad()
        loss = torch.relu(1 + both(fake)).mean() + torch.relu(1 - both(real)).mean()
        loss.backward()
        optimizer.step()
    for part in (slice(0, 4), slice(4, 8)):
        assert both(real)[:, part].mean() > 0 > both(fake)[:, part].mean()


def test_bfloat16_and_channels_last() -> None:
    both = build().to(memory_format=torch.channels_last)
    x = pictures(128).to(memory_format=torch.channels_last).requires_grad_()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = both(x)
    logits.float().mean().backward()
    assert x.grad is not None and torch.isfinite(x.grad).all() and x.grad.abs().sum() > 0
