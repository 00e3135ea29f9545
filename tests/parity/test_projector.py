"""The projection, and one head in evaluation mode, against the reference's."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from parity.discriminator_names import HEAD_NAMES, PROJECTOR_NAMES
from parity.reference import TOLERANCE, load_reference, read_parity, relative_error
from projgan.discriminators.heads import Head
from projgan.features.backbones import FeatureNetwork
from projgan.features.projector import Projector

pytestmark = pytest.mark.parity

BACKBONE_CHANNELS = (24, 40, 112, 320)


def below(prefix: str, stored: dict[str, Tensor]) -> dict[str, Tensor]:
    return {k.removeprefix(prefix): v for k, v in stored.items() if k.startswith(prefix)}


def test_four_mixed_maps() -> None:
    stored, _ = read_parity("projector_lite0")
    projector = Projector(BACKBONE_CHANNELS)
    unused = load_reference(projector, PROJECTOR_NAMES, below("state.", stored))
    assert not unused
    mixed = projector(FeatureNetwork("lite0-reference")(stored["x"]))
    for scale, actual in enumerate(mixed):
        assert relative_error(actual, stored[f"feature{scale}"]) < TOLERANCE, f"map {scale}"


@torch.no_grad()
def test_a_head_uses_its_stored_vectors() -> None:
    """These u and v never met a power iteration: sigma is about -0.004, the logits about -15,000.

    A head that iterates in evaluation, or takes sigma's absolute value, fails here.
    """
    stored, _ = read_parity("projector_lite0")
    head = Head(256, 16)
    unused = load_reference(head, HEAD_NAMES, below("head3.", stored))
    assert not unused
    logits = head.eval()(stored["feature3"])
    assert logits.mean() < -10_000
    assert relative_error(logits, stored["head3_logits"]) < TOLERANCE
