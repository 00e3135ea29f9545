from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from projgan.data.drawn import draw_picture
from projgan.errors import DataError
from projgan.evaluation.copies import CopyScore, copy_score, picture_copies
from projgan.evaluation.thumbnails import thumbnails

COUNT, SIDE = 60, 32


def drawn(first: int, count: int) -> Tensor:
    """(count, 3, 32, 32) uint8."""
    pictures = [np.array(draw_picture(0, first + i, SIDE)) for i in range(count)]
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def with_noise(pictures: Tensor, spread: float = 10.0) -> Tensor:
    draws = torch.randn(pictures.shape, generator=torch.Generator().manual_seed(3))
    return (pictures.float() + spread * draws).round().clamp(0, 255).to(torch.uint8)


@pytest.fixture(scope="module")
def real() -> Tensor:
    return drawn(0, COUNT)


@pytest.fixture(scope="module")
def fresh() -> Tensor:
    return drawn(COUNT, COUNT)


def score(real: Tensor, fake: Tensor) -> CopyScore:
    return picture_copies(real.split(16), fake.split(16))


def test_a_memoriser_is_caught_and_new_pictures_are_not(real: Tensor, fresh: Tensor) -> None:
    memorised = score(real, with_noise(real))
    assert memorised.score >= 0.95
    assert torch.equal(memorised.nearest, torch.arange(COUNT))
    assert not memorised.is_mirrored.any()
    assert score(real, fresh).score <= 0.10


def test_mirrored_shifted_and_recoloured_copies_are_copies(real: Tensor) -> None:
    mirrored = score(real, with_noise(real.flip(3)))
    assert mirrored.score >= 0.95
    assert torch.equal(mirrored.nearest, torch.arange(COUNT))
    assert mirrored.is_mirrored.float().mean() > 0.9  # but for symmetric ones
    assert score(real, torch.roll(real, 1, dims=3)).score >= 0.9
    assert score(real, (real.float() * 0.8 + 20).to(torch.uint8)).score >= 0.95


def test_half_a_memoriser_scores_half(real: Tensor, fresh: Tensor) -> None:
    found = score(real, torch.cat([with_noise(real[:30]), fresh[:30]]))
    assert 0.45 <= found.score <= 0.6
    assert found.is_copy[:30].float().mean() >= 0.95


def test_doubles_change_nothing(real: Tensor, fresh: Tensor) -> None:
    thrice = torch.cat([real, real, with_noise(real, 2.0)])
    once = score(real, fresh)
    found = score(thrice, fresh)
    assert found.threshold == pytest.approx(once.threshold, abs=0.1)
    assert found.score <= 0.10
    assert score(thrice, with_noise(real)).score >= 0.95


def gaussian(count: int, seed: int, width: int = 24) -> Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def test_features_on_a_line() -> None:
    real = torch.tensor([[0.0], [10.0], [21.0], [33.0]])
    found = copy_score(real, torch.tensor([[2.0], [48.0], [36.6]]))
    assert found.nearest.tolist() == [0, 3, 3]
    assert found.distances.tolist() == pytest.approx([2.0, 15.0, 3.6])
    assert found.closeness.tolist() == pytest.approx([0.2, 1.25, 0.3])
    # Left out, they would be at 10/11, 10/21, 11/10 and 12/11; 2 % of the way up from the lowest.
    assert found.threshold == pytest.approx(10 / 21 + 0.02 * 3 * (10 / 11 - 10 / 21))
    thresholds = [scale * found.threshold for scale in (10, 12, 12)]
    assert found.thresholds.tolist() == pytest.approx(thresholds)
    assert found.is_copy.tolist() == [True, False, True]
    assert found.score == pytest.approx(2 / 3)


def test_features_without_and_with_mirror_images() -> None:
    real, mirrored = gaussian(100, 0), gaussian(100, 1)
    copies = mirrored + 0.1 * gaussian(100, 2)
    assert copy_score(real, copies).score <= 0.10
    found = copy_score(real, copies, mirrored=mirrored)
    assert found.score == 1.0 and bool(found.is_mirrored.all())
    assert torch.equal(found.nearest, torch.arange(100))
    assert copy_score(real, gaussian(200, 5), mirrored=mirrored).score <= 0.10


def test_many_doubles_in_features() -> None:
    real, fresh = gaussian(80, 0), gaussian(200, 4)
    alone = copy_score(real, fresh)
    doubled = copy_score(torch.cat([real, real + 1e-3, real]), fresh)
    assert doubled.threshold == pytest.approx(alone.threshold, rel=0.02)
    torch.testing.assert_close(doubled.closeness, alone.closeness, rtol=0.02, atol=0.02)


def test_doubles_of_one_picture_beyond_what_is_remembered() -> None:
    """Twenty shots of one picture: no neighbour of theirs that differs is remembered."""
    real = torch.cat([gaussian(60, 0), gaussian(1, 9).expand(20, -1)])
    assert copy_score(real, gaussian(200, 4)).score <= 0.10
    assert copy_score(real, real + 0.05 * gaussian(80, 6)).score == 1.0


@pytest.mark.parametrize(
    ("real", "fake", "problem"),
    [
        (gaussian(2, 0), gaussian(2, 1), "2 training pictures; at least 3"),
        (torch.ones(9, 4), gaussian(2, 1, 4), "1 different training pictures; at least 3"),
        (gaussian(5, 0), gaussian(2, 1, 7), "width: 24 and 7"),
        (gaussian(5, 0), torch.full((2, 24), float("nan")), "not finite"),
        (gaussian(5, 0), torch.empty(0, 24), "samples"),
    ],
)
def test_what_cannot_be_told(real: Tensor, fake: Tensor, problem: str) -> None:
    with pytest.raises(DataError, match=problem):
        copy_score(real, fake)


def test_thumbnails_of_any_pictures(real: Tensor) -> None:
    assert thumbnails([real[:2, :, :16], real[:3, :1].float() / 127.5 - 1]).shape == (5, 3, 32, 32)
    clear = torch.cat([real[:1], torch.zeros_like(real[:1, :1])], dim=1)
    assert thumbnails([clear]).min() > 0.99
    assert thumbnails([]).shape == (0, 3, 32, 32)
    with pytest.raises(DataError, match="thumbnails"):
        picture_copies([real], [])
