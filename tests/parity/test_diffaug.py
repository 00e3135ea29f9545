"""Each operation of DiffAugment, with given draws, against the reference implementation."""

import pytest
import torch

from parity.reference import TOLERANCE, read_parity, relative_error, rs
from projgan.augment.diffaug import (
    adjust_brightness,
    adjust_contrast,
    adjust_saturation,
    cutout,
    translate,
)

pytestmark = pytest.mark.parity


@pytest.fixture
def stored():
    tensors, metadata = read_parity("diffaug")
    return tensors, {name: torch.tensor(values) for name, values in metadata["draws"].items()}


def test_input_is_made_by_the_rule(stored):
    expected = torch.from_numpy(rs("aug").rand(3, 3, 32, 32) * 2 - 1).float()
    assert torch.equal(stored[0]["x"], expected)


@pytest.mark.parametrize(
    ("name", "operation"),
    [
        ("brightness", adjust_brightness),
        ("saturation", adjust_saturation),
        ("contrast", adjust_contrast),
    ],
)
def test_colour(stored, name, operation):
    tensors, draws = stored
    assert relative_error(operation(tensors["x"], draws[name]), tensors[name]) < TOLERANCE


@pytest.mark.parametrize(
    ("name", "draw", "operation"),
    [("translation", "shift", translate), ("cutout", "cut", cutout)],
)
def test_geometry_is_exact(stored, name, draw, operation):
    tensors, draws = stored
    rows, columns = draws[draw].unbind(1)
    assert torch.equal(operation(tensors["x"], rows, columns), tensors[name])
