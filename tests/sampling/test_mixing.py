"""Which styles of a mix come from where."""

from __future__ import annotations

import pytest
import torch

from projgan.errors import UsageError
from projgan.sampling.mixing import mix_styles


def styles(*first: float, rows: int = 5) -> torch.Tensor:
    """Sample n has first[n] in each entry, plus a tenth of the row's number."""
    return torch.stack([torch.full((rows, 2), f) + torch.arange(rows)[:, None] / 10 for f in first])


def test_named_layers_come_from_the_other_and_the_rest_stays() -> None:
    own, other = styles(1, 2, 3), styles(10, 20)
    before = own.clone(), other.clone()
    mixed = mix_styles(own, other, [0, 3])
    assert mixed.shape == (3, 2, 5, 2)
    for n in range(3):
        for m in range(2):
            for row in range(5):
                source = other[m] if row in (0, 3) else own[n]
                assert torch.equal(mixed[n, m, row], source[row]), (n, m, row)
    assert torch.equal(own, before[0])
    assert torch.equal(other, before[1])


def test_all_layers_give_the_other() -> None:
    other = styles(10, 20)
    assert torch.equal(mix_styles(styles(1), other, range(5))[0], other)


@pytest.mark.parametrize(("layers", "message"), [([0, 5], "no layer 5"), ([], "named")])
def test_layers_that_are_not_there_are_refused(layers: list[int], message: str) -> None:
    with pytest.raises(UsageError, match=message) as caught:
        mix_styles(styles(1), styles(2), layers)
    assert "layers 0 to 4" in str(caught.value)
