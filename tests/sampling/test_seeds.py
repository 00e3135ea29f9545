"""Lists of seeds as a user writes them."""

from __future__ import annotations

import pytest

from projgan.errors import UsageError
from projgan.sampling.seeds import MAX_SEEDS, parse_seeds


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("5", [5]),
        ("0-3", [0, 1, 2, 3]),
        ("0-2,70", [0, 1, 2, 70]),
        (" 7 , 3-4 ", [7, 3, 4]),
        ("4-4", [4]),
        ("2-4,3,1", [2, 3, 4, 1]),
        ("007", [7]),
    ],
)
def test_seed_lists(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    "text",
    ["", ",", "1,", "a", "-3", "1--2", "1-2-3", "5-3", "1.5", "0x10", "1 2", "٣", "9" * 5000],
)
def test_nonsense_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        parse_seeds(text)
    assert "0-63,70" in str(caught.value)
    assert len(str(caught.value)) < 6000


def test_the_number_of_seeds_is_capped() -> None:
    assert len(parse_seeds(f"1-{MAX_SEEDS}")) == MAX_SEEDS
    for text in (f"0-{MAX_SEEDS}", "0-999999999999999999", f"0-{MAX_SEEDS - 1},{MAX_SEEDS}"):
        with pytest.raises(UsageError, match="more than"):
            parse_seeds(text)
