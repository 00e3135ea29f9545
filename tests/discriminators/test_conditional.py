"""Heads with classes: logits along a direction for each class, of every kind and network."""

from __future__ import annotations

import math

import pytest
import torch

from projgan.discriminators.class_vectors import DIM, ClassVectors
from projgan.discriminators.heads import Head, HeadKind
from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.errors import UsageError

KINDS: tuple[HeadKind, ...] = ("plain", "separable")


def pictures(batch: int = 3, size: int = 128) -> torch.Tensor:
    return torch.rand(batch, 3, size, size, generator=torch.Generator().manual_seed(0)) * 2 - 1


def build(features: str = "lite0", *, num_classes: int = 4, **options: object):
    torch.manual_seed(0)
    return ProjectedDiscriminator(
        features=features,
        pretrained=False,
        num_classes=num_classes,
        **({"kind": "separable"} | options),  # type: ignore[arg-type]
    )


@torch.no_grad()
def test_logits_are_products_with_the_vector_of_the_class() -> None:
    torch.manual_seed(0)
    vectors = ClassVectors(5)
    x, c = torch.randn(3, DIM, 2, 2), torch.tensor([4, 0, 4])
    embedded = vectors.embed.weight[c]
    assert embedded.shape == (3, 128)
    directions = embedded @ vectors.project.weight.T + vectors.project.bias
    directions = torch.where(directions > 0, directions, 0.2 * directions)
    expected = torch.einsum("bchw,bc->bhw", x, directions)[:, None] / math.sqrt(64)
    torch.testing.assert_close(vectors(x, c), expected)


def test_logits_are_float32_under_autocast() -> None:
    vectors = ClassVectors(5)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        x = torch.randn(3, DIM, 2, 2, dtype=torch.bfloat16)
        assert vectors(x, torch.tensor([4, 0, 4])).dtype == torch.float32


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("in_channels", "nominal"), [(64, 128), (128, 32), (320, 8)])
def test_a_head_of_any_level_has_classes(kind: HeadKind, in_channels: int, nominal: int) -> None:
    head = Head(in_channels, nominal, kind=kind, num_classes=7).eval()
    x = torch.randn(1, in_channels, nominal, nominal).expand(3, -1, -1, -1)
    logits = head(x, torch.tensor([0, 6, 0]))
    assert logits.shape == (3, 1, 5, 5)
    assert torch.allclose(logits[0], logits[2]) and not torch.allclose(logits[0], logits[1])
    assert head.logits.bias is None and head.classes.embed.weight.shape == (7, 128)


@pytest.mark.parametrize(
    ("level", "kind"), [(0, "separable"), (1, "separable"), (2, "separable"), (2, "plain")]
)
def test_all_levels_of_projection(level: int, kind: HeadKind) -> None:
    discriminator = build(level=level, kind=kind, num_heads=2)
    logits = discriminator(pictures(), torch.tensor([0, 1, 3]))
    assert logits.shape == (3, 2)
    logits.sum().backward()
    assert all(p.grad is not None for p in discriminator.trainable_parameters())


def test_several_networks_have_vectors_of_their_own() -> None:
    both = build("test_resnet,test_vit").eval()
    c = torch.tensor([0, 1, 3])
    logits = both(pictures(), c)
    assert logits.shape == (3, 4 + 64)
    assert not torch.allclose(logits, both(pictures(), c.flip(0)))
    vectors = [head.classes for head in both.heads.scales]
    assert len({id(v) for v in vectors}) == 8


def test_without_classes_heads_are_what_they_were() -> None:
    torch.manual_seed(0)
    before = ProjectedDiscriminator(pretrained=False, kind="separable").state_dict()
    zero = build(num_classes=0).state_dict()
    assert before.keys() == zero.keys()
    assert all(torch.equal(before[key], zero[key]) for key in before)
    assert not any("classes" in key for key in before)


def test_a_label_is_needed_with_classes_and_refused_without() -> None:
    with pytest.raises(UsageError, match="needs a label"):
        build()(pictures())
    with pytest.raises(UsageError, match="without classes"):
        build(num_classes=0)(pictures(), torch.tensor([0, 1, 2]))
