from __future__ import annotations

import pytest
import torch

from projgan.features.normalise import Normalise

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def test_numbers_of_the_rule() -> None:
    """u = (x + 1) / 2, then (u - mean) / std."""
    x = torch.tensor([-1.0, 0.0, 1.0]).view(1, 1, 1, 3).expand(2, 3, 1, 3)
    y = Normalise(MEAN, STD)(x)
    assert y[0, 0, 0].tolist() == pytest.approx([-0.485 / 0.229, 0.015 / 0.229, 0.515 / 0.229])
    assert y[1, 2, 0].tolist() == pytest.approx([-0.406 / 0.225, 0.094 / 0.225, 0.594 / 0.225])


def test_half_is_folded_to_nothing() -> None:
    x = torch.rand(2, 3, 4, 4)
    assert Normalise((0.5,) * 3, (0.5,) * 3)(x) is x


def test_nothing_is_saved_and_channels_last_stays() -> None:
    normalise = Normalise(MEAN, STD)
    assert not normalise.state_dict()
    x = torch.rand(2, 3, 4, 4).to(memory_format=torch.channels_last)
    assert normalise(x).is_contiguous(memory_format=torch.channels_last)
