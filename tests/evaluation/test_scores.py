"""Inception score, path length, all figures together, and what their sentences say."""

from __future__ import annotations

import math
from typing import Any, cast

import pytest
import torch
from torch import Tensor

from projgan.errors import DataError, UsageError
from projgan.evaluation import figures as figuring
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.figures import Figure, figures, halves, require_enough, settle_metrics
from projgan.evaluation.inception_score import inception_score
from projgan.evaluation.manifold import manifold_scores
from projgan.evaluation.meaning import judge, meaning, why_judge
from projgan.evaluation.path_length import path_length, slerp
from projgan.evaluation.statistics import frechet_distance


class Named:
    """An extractor as far as figures need one: names, and logits that are the features."""

    name = "plain"

    def __init__(self, *, knows_classes: bool = True) -> None:
        self.knows_classes = knows_classes

    def metric_name(self, metric: str) -> str:
        return f"{metric}-plain"

    def logits(self, features: Tensor) -> Tensor | None:
        return features if self.knows_classes else None


def extractor(**changes: bool) -> Extractor:
    return cast(Extractor, Named(**changes))


def features(count: int, seed: int = 0) -> Tensor:
    return torch.randn(count, 6, generator=torch.Generator().manual_seed(seed))


def test_inception_score_of_known_sets() -> None:
    sure = 50 * torch.eye(4).repeat(10, 1)  # one class each, all four equally often
    assert inception_score(sure, splits=2).mean == pytest.approx(4.0)
    assert inception_score(sure[:1].repeat(20, 1)).mean == pytest.approx(1.0)  # always the same
    assert inception_score(torch.zeros(20, 4)).mean == pytest.approx(1.0)  # never sure
    halves_sure = torch.cat([50 * torch.eye(2).repeat(10, 1), 50 * torch.eye(2)[:1].repeat(20, 1)])
    score = inception_score(halves_sure, splits=2)
    assert (score.mean, score.spread) == pytest.approx((1.5, 0.5))
    assert inception_score(sure[:3]).spread == 0.0  # one part: not enough for two
    with pytest.raises(DataError, match="at least 2"):
        inception_score(sure[:1])


def test_path_length_of_a_linear_map_is_known() -> None:
    """Features 3 z: the speed along an arc of length angle * |z| is 3 times that."""
    start, end = torch.tensor([[2.0, 0.0], [2.0, 0.0]]), torch.tensor([[0.0, 2.0], [2.0, 0.0]])
    speeds = path_length(start.double(), end.double(), torch.tensor([0.2, 0.5]), lambda z: 3 * z)
    assert speeds.tolist() == pytest.approx([(3 * 2 * math.pi / 2) ** 2, 0.0], rel=1e-5, abs=1e-9)


def test_slerp_ends_and_stays_on_the_sphere() -> None:
    start, end = features(5), features(5, 1)
    zero, one = torch.zeros(5), torch.ones(5)
    torch.testing.assert_close(slerp(start, end, zero), start)
    torch.testing.assert_close(slerp(start, end, one), end)
    half = slerp(start, end, one / 2).norm(dim=1)
    torch.testing.assert_close(half, (start.norm(dim=1) + end.norm(dim=1)) / 2)


def test_figures_are_those_of_their_functions() -> None:
    real, fake = features(40), features(30, 1) * 0.5
    found = {f.metric: f for f in figures(extractor(), real, fake, settle_metrics(["all"]))}
    assert list(found) == list(figuring.METRICS[:-1])
    assert found["fd"].value == frechet_distance(fake, real)
    assert found["fd"].floor == frechet_distance(*halves(real)) and found["fd"].interval is None
    scores = manifold_scores(real, fake)
    for name in figuring.MANIFOLD:
        assert found[name].value == getattr(scores, name)
        low, high = cast(Any, found[name].interval)
        assert low <= getattr(scores, name) <= high
    assert found["recall"].value < found["precision"].value
    assert found["diversity"].value < 0.7 * cast(float, found["diversity"].floor)
    assert all(f.name == f"{f.metric}-plain" and meaning(f) for f in found.values())


def test_halves_share_no_picture() -> None:
    rows = torch.arange(9.0)[:, None]
    first, second = halves(rows)
    assert first.shape == second.shape == (4, 1)
    assert len({*first.flatten().tolist(), *second.flatten().tolist()}) == 8


def test_what_cannot_be_computed_says_why() -> None:
    few = figures(extractor(), features(3), features(40), ["kid", "recall", "is"])
    assert [f.value is None for f in few] == [False, True, False]
    assert meaning(few[1]) == "not computed: needs at least 6 pictures of either side"
    assert few[0].floor is None
    (score,) = figures(extractor(knows_classes=False), features(9), features(9), ["is"])
    assert meaning(score) == "not computed: plain knows no classes"
    with pytest.raises(DataError, match="recall needs at least 6 reals and fakes; there are 3 and"):
        require_enough(["kid", "recall"], 3, 40)
    require_enough(["kid", "fd", "ppl"], 2, 2)


def test_names_of_metrics() -> None:
    assert settle_metrics(["recall", "kid"]) == ("kid", "recall")
    with pytest.raises(UsageError, match="unknown metric 'fid'"):
        settle_metrics(["fid"])
    with pytest.raises(UsageError, match="no metrics"):
        settle_metrics([])


def test_the_judge_depends_on_the_smaller_side() -> None:
    assert judge(999, 5_000) == judge(5_000, 999) == "kid"
    assert judge(1_000, 1_000) == "fd"
    assert "below 1,000" in why_judge(100, 1_000) and "kid" in why_judge(100, 1_000)


def test_sentences_follow_the_values() -> None:
    far = Figure(metric="fd", name="fd-x", value=30.0, floor=10.0)
    near = Figure(metric="fd", name="fd-x", value=9.0, floor=10.0)
    assert meaning(far).startswith("3.0 times as far") and meaning(near).startswith("no farther")
    sure = Figure(metric="kid", name="kid-x", value=0.1, floor=0.0, interval=(0.05, 0.2))
    open_ = Figure(metric="kid", name="kid-x", value=0.1, floor=0.0, interval=(-0.05, 0.2))
    assert "cannot be told" in meaning(open_) and "cannot be told" not in meaning(sure)
    assert meaning(Figure(metric="diversity", name="d", value=1.0, floor=4.0)).endswith(
        "25% as much as reals do"
    )
