"""The backbone's four maps against the reference's."""

from __future__ import annotations

import pytest

from parity.reference import TOLERANCE, read_parity, relative_error
from projgan.features.backbones import FeatureNetwork

pytestmark = pytest.mark.parity


def test_four_maps() -> None:
    stored, _ = read_parity("backbone_lite0")
    maps = FeatureNetwork("lite0-reference")(stored["x"])
    for scale, actual in enumerate(maps):
        assert relative_error(actual, stored[f"stage{scale}"]) < TOLERANCE, f"map {scale}"


def test_untouched_imagenet_statistics_are_not_the_reference() -> None:
    """What "lite0-reference" is for: see `features.backbones._shift_statistics`."""
    stored, _ = read_parity("backbone_lite0")
    maps = FeatureNetwork("lite0")(stored["x"])
    errors = [relative_error(m, stored[f"stage{scale}"]) for scale, m in enumerate(maps)]
    assert min(errors) > 0.1
