"""All figures of two feature sets: computed, with their interval and with what the reals have.

A figure is never alone: beside it stands the same figure for two halves of the reals (`floor`; for
what looks at one set only, the reals' own), which is what pictures of the very same kind have.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

import torch
from torch import Tensor

from projgan.errors import DataError, UsageError, choose_from
from projgan.evaluation.bootstrap import (
    Interval,
    interval_of_diversity,
    interval_of_kernel_distance,
    interval_of_mean,
)
from projgan.evaluation.diversity import diversity
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.inception_score import inception_score
from projgan.evaluation.kernel import kernel_distance
from projgan.evaluation.manifold import ManifoldScores, memberships
from projgan.evaluation.statistics import frechet_distance
from projgan.rng import numpy_stream

NEIGHBOURS = 5
METRICS = ("kid", "fd", "precision", "recall", "density", "coverage", "diversity", "is", "ppl")
"""What can be asked for, in the order in which it is shown."""
DEFAULT_METRICS = METRICS[:-1]
MANIFOLD = ("precision", "recall", "density", "coverage")
LEAST = {"kid": 2, "fd": 2, "diversity": 2, "is": 2} | dict.fromkeys(MANIFOLD, NEIGHBOURS + 1)
"""Fewest pictures of either side."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """One number about the fakes.

    Attributes:
        metric: one of METRICS.
        name: with the extractor, for example "kid-lite1".
        value: None if it could not be computed; then `why` says why.
        spread: standard deviation between subsets or parts, where the metric has such.
        interval: 95 % by the bootstrap, where there is an honest one.
        floor: the same for two halves of the reals, or the reals' own; None if there are too few.
        why: a reason for no value.
    """

    metric: str
    name: str
    value: float | None = None
    spread: float | None = None
    interval: Interval | None = None
    floor: float | None = None
    why: str = ""


def settle_metrics(wanted: Iterable[str]) -> tuple[str, ...]:
    """The metrics in their order; "all" stands for all.

    Raises: UsageError: unknown, or none.
    """
    names = set(wanted)
    for name in names - {"all"}:
        if name not in METRICS:
            raise choose_from("metric", name, (*METRICS, "all"))
    if not names:
        raise UsageError("no metrics given", next_command=f"--metrics {','.join(METRICS[:3])}")
    return METRICS if "all" in names else tuple(name for name in METRICS if name in names)


def halves(features: Tensor) -> tuple[Tensor, Tensor]:
    """Two random halves of (N, D), always the same: (N // 2, D) each."""
    count = len(features)
    order = torch.from_numpy(numpy_stream(0, "halves of the reals").permutation(count))
    return features[order[: count // 2]], features[order[count // 2 : count // 2 * 2]]


def require_enough(metrics: Iterable[str], num_reals: int, num_fakes: int) -> None:
    """Raise DataError if there are too few pictures for one of the metrics."""
    fewest = min(num_reals, num_fakes)
    short = [name for name in metrics if LEAST.get(name, 1) > fewest]
    if short:
        raise DataError(
            f"{short[0]} needs at least {LEAST[short[0]]} reals and fakes; "
            f"there are {num_reals} and {num_fakes}",
            where="option --metrics",
            next_command="leave it out, or give more pictures (for fakes of a run: --samples N)",
        )


def figures(
    extractor: Extractor, real: Tensor, fake: Tensor, metrics: Iterable[str], *, seed: int = 0
) -> list[Figure]:
    """The figures of (M, D) fakes against (N, D) reals, all but "ppl", in float64.

    seed: of subsets and of the bootstrap.
    Raises: DataError: features that are not finite.
    """
    wanted = [name for name in metrics if name != "ppl"]
    found: dict[str, Figure] = {}
    fewest = min(len(real), len(fake))
    for metric in wanted:
        name = extractor.metric_name(metric)
        if fewest < LEAST[metric]:
            why = f"needs at least {LEAST[metric]} pictures of either side"
            found[metric] = Figure(metric=metric, name=name, why=why)
        elif metric in MANIFOLD:
            if metric not in found:
                found |= _manifold(extractor, real, fake)
        else:
            found[metric] = _SINGLE[metric](extractor, real, fake, seed)
    return [found[metric] for metric in wanted]


def _kid(extractor: Extractor, real: Tensor, fake: Tensor, seed: int) -> Figure:
    size = min(1_000, len(real), len(fake))
    distance = kernel_distance(real, fake, subset_size=size, seed=seed)
    floor = kernel_distance(*halves(real), seed=seed).mean if len(real) >= 4 else None
    return Figure(
        metric="kid",
        name=extractor.metric_name("kid"),
        value=distance.mean,
        spread=distance.spread,
        interval=interval_of_kernel_distance(real, fake, seed=seed),
        floor=floor,
    )


def _fd(extractor: Extractor, real: Tensor, fake: Tensor, seed: int) -> Figure:
    floor = frechet_distance(*halves(real)) if len(real) >= 4 else None
    value = frechet_distance(fake, real)
    return Figure(metric="fd", name=extractor.metric_name("fd"), value=value, floor=floor)


def _diversity(extractor: Extractor, real: Tensor, fake: Tensor, seed: int) -> Figure:
    return Figure(
        metric="diversity",
        name=extractor.metric_name("diversity"),
        value=diversity(fake),
        interval=interval_of_diversity(fake, seed=seed),
        floor=diversity(real),
    )


def _is(extractor: Extractor, real: Tensor, fake: Tensor, seed: int) -> Figure:
    name = extractor.metric_name("is")
    of_fakes = extractor.logits(fake)
    of_reals = extractor.logits(_shuffled(real))
    if of_fakes is None or of_reals is None:
        return Figure(metric="is", name=name, why=f"{extractor.name} knows no classes")
    score = inception_score(of_fakes)
    floor = inception_score(of_reals).mean
    return Figure(metric="is", name=name, value=score.mean, spread=score.spread, floor=floor)


def _shuffled(features: Tensor) -> Tensor:
    """In random order, always the same: a folder may be sorted, and parts of it alike."""
    order = numpy_stream(0, "order of the reals").permutation(len(features))
    return features[torch.from_numpy(order)]


_SINGLE: dict[str, Callable[[Extractor, Tensor, Tensor, int], Figure]] = {
    "kid": _kid,
    "fd": _fd,
    "diversity": _diversity,
    "is": _is,
}


def _manifold(extractor: Extractor, real: Tensor, fake: Tensor) -> dict[str, Figure]:
    """All four at once: they share the distances."""
    parts = memberships(real, fake, neighbours=NEIGHBOURS)
    scores, floor = parts.scores(), _manifold_floor(real)
    values = {
        "precision": parts.precise,
        "recall": parts.recalled,
        "density": parts.balls / parts.neighbours,
        "coverage": parts.covered,
    }
    return {
        metric: Figure(
            metric=metric,
            name=extractor.metric_name(metric),
            value=getattr(scores, metric),
            interval=interval_of_mean(values[metric]),
            floor=None if floor is None else getattr(floor, metric),
        )
        for metric in MANIFOLD
    }


def _manifold_floor(real: Tensor) -> ManifoldScores | None:
    if len(real) < 2 * (NEIGHBOURS + 1):
        return None
    return memberships(*halves(real), neighbours=NEIGHBOURS).scores()
