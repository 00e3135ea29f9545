"""The order of pictures: fair, fresh every epoch, and decided by the position alone."""

from __future__ import annotations

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from projgan.data.sampler import Sampler

counts = st.integers(1, 40)
seeds = st.integers(0, 2**40)


@settings(max_examples=60, deadline=None)
@given(counts, seeds, st.booleans(), st.integers(0, 5))
def test_every_epoch_shows_each_picture_equally_often(
    count: int, seed: int, mirror: bool, epoch: int
) -> None:
    sampler = Sampler(count, seed=seed, mirror=mirror)
    length = sampler.epoch_length
    assert length == count * (2 if mirror else 1)
    indices, flips = sampler.at(epoch * length, length)
    shown = sorted(zip(indices.tolist(), flips.tolist(), strict=True))
    assert shown == [(i, f) for i in range(count) for f in ((False, True) if mirror else (False,))]


@settings(max_examples=60, deadline=None)
@given(
    counts,
    seeds,
    st.booleans(),
    st.integers(0, 1000),
    st.lists(st.integers(1, 30), min_size=1, max_size=8),
)
def test_position_alone_decides(
    count: int, seed: int, mirror: bool, start: int, batches: list[int]
) -> None:
    walked, fresh = (
        Sampler(count, seed=seed, mirror=mirror),
        Sampler(count, seed=seed, mirror=mirror),
    )
    whole_indices, whole_flips = fresh.at(start, sum(batches))
    position = start
    for batch in batches:
        indices, flips = walked.at(position, batch)
        part = slice(position - start, position - start + batch)
        assert np.array_equal(indices, whole_indices[part])
        assert np.array_equal(flips, whole_flips[part])
        position += batch


def test_a_batch_may_exceed_the_set() -> None:
    indices, flips = Sampler(2, seed=0).at(1, 7)
    assert indices.shape == flips.shape == (7,)
    assert not flips.any()
    assert np.bincount(indices).tolist() in ([3, 4], [4, 3])


def test_epochs_and_seeds_have_orders_of_their_own() -> None:
    sampler = Sampler(50, seed=1)
    first, second = sampler.at(0, 50)[0], sampler.at(50, 50)[0]
    assert not np.array_equal(first, second)
    assert not np.array_equal(first, Sampler(50, seed=2).at(0, 50)[0])


def test_looking_back_gives_the_same_as_before() -> None:
    sampler = Sampler(9, seed=3, mirror=True)
    before = sampler.at(5, 4)
    for position in range(0, 500, 7):
        sampler.at(position, 7)
    after = sampler.at(5, 4)
    assert np.array_equal(before[0], after[0]) and np.array_equal(before[1], after[1])


def test_the_order_stays_what_it_was_in_older_versions() -> None:
    # Resumed runs rely on it: a change here must raise the version of checkpoints.
    indices, flips = Sampler(5, seed=0, mirror=True).at(0, 10)
    assert indices.tolist() == [2, 2, 3, 1, 3, 1, 0, 0, 4, 4]
    assert flips.astype(int).tolist() == [1, 0, 0, 1, 1, 0, 0, 1, 1, 0]
