"""Whole discriminators: pictures in, logits out, with weights made by the rule."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from parity.discriminator_names import PROJECTOR_NAMES, heads_names
from parity.reference import TOLERANCE, load_by_rule, read_parity, relative_error, rs
from projgan.discriminators.heads import HeadKind
from projgan.discriminators.projected import ProjectedDiscriminator

pytestmark = pytest.mark.parity


def rule_pictures(size: int) -> Tensor:
    return torch.from_numpy(rs(f"x{size}").rand(2, 3, size, size) * 2 - 1).float()


def reference_discriminator(
    *,
    kind: HeadKind = "plain",
    level: int = 2,
    input_size: int | None = None,
    num_classes: int = 0,
) -> ProjectedDiscriminator:
    discriminator = ProjectedDiscriminator(
        features="lite0-reference",
        kind=kind,
        level=level,
        input_size=input_size,
        num_classes=num_classes,
    )
    num_downs = (4, 3, 2, 1) if level == 2 else (3, 2, 1, 0)
    table = heads_names(num_downs, kind=kind, is_conditional=num_classes > 0)
    load_by_rule(discriminator.projector, PROJECTOR_NAMES, prefix="scratch.")
    load_by_rule(discriminator.heads, table, prefix="heads.")
    return discriminator.eval()


@pytest.mark.parametrize("kind", ["plain", "separable"])
@torch.no_grad()
def test_logits_at_every_size(kind: HeadKind) -> None:
    """256 and 224 px as they are; 64 px enlarged to 224."""
    stored, _ = read_parity("discriminator_logits")
    discriminator = reference_discriminator(kind=kind)
    for size in (256, 224, 64):
        discriminator.features.input_size = 224 if size < 224 else None
        logits = discriminator(rule_pictures(size))
        error = relative_error(logits, stored[f"{kind}_uncond_{size}"])
        assert error < TOLERANCE, f"{size} px: {error}"


@pytest.mark.parametrize("kind", ["plain", "separable"])
@torch.no_grad()
def test_logits_of_conditional_heads(kind: HeadKind) -> None:
    """Classes 3 and 7 of the 1000 that the reference has whatever the set has."""
    stored = read_parity("discriminator_logits")[0][f"{kind}_cond_256"]
    discriminator = reference_discriminator(kind=kind, num_classes=1000)
    maps = discriminator.project(rule_pictures(256))
    classes = torch.tensor([3, 7])
    assert relative_error(discriminator.heads(maps, classes), stored) < TOLERANCE
    assert relative_error(discriminator.heads(maps, classes.flip(0)), stored) > 100 * TOLERANCE


@pytest.mark.parametrize("level", [0, 1])
@torch.no_grad()
def test_logits_at_lower_levels_of_projection(level: int) -> None:
    stored, _ = read_parity("discriminator_logits")
    logits = reference_discriminator(level=level)(rule_pictures(256))
    assert relative_error(logits, stored[f"proj_type{level}_256"]) < TOLERANCE


@torch.no_grad()
def test_file_is_no_copy_of_our_own_numbers() -> None:
    """Pretrained statistics, untouched, give other logits: the stored ones are the reference's."""
    stored, _ = read_parity("discriminator_logits")
    reference = reference_discriminator()
    ours = ProjectedDiscriminator()
    ours.projector.load_state_dict(reference.projector.state_dict())
    ours.heads.load_state_dict(reference.heads.state_dict())
    logits = ours.eval()(rule_pictures(256))
    assert 0.05 < relative_error(logits, stored["plain_uncond_256"]) < 1.5
