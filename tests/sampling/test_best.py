from __future__ import annotations

import pytest

from projgan.errors import UsageError
from projgan.sampling.best import STRIDE, candidate_seeds


def test_each_picture_has_candidates_of_its_own() -> None:
    groups = candidate_seeds([0, 7, STRIDE - 1], 3)
    assert groups[1] == [7, STRIDE + 7, 2 * STRIDE + 7]
    seeds = [seed for group in groups for seed in group]
    assert len(set(seeds)) == len(seeds) == 9


def test_more_candidates_keep_the_first_ones() -> None:
    assert candidate_seeds([5], 8)[0][:3] == candidate_seeds([5], 3)[0]


@pytest.mark.parametrize("classes", [2, 3, 7])
def test_candidates_have_the_class_of_their_picture(classes: int) -> None:
    for seed, group in enumerate(candidate_seeds(range(20), 5, num_classes=classes)):
        assert {candidate % classes for candidate in group} == {seed % classes}
    flat = [s for group in candidate_seeds(range(STRIDE), 2, num_classes=classes) for s in group]
    assert len(set(flat)) == len(flat)


def test_no_choice_and_seeds_that_are_too_large() -> None:
    with pytest.raises(UsageError, match="at least 2"):
        candidate_seeds([0], 1)
    with pytest.raises(UsageError, match="too large"):
        candidate_seeds([0, STRIDE], 2)
