"""What is measured on the averaged generator while it learns, if there is time for it."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from projgan.config.schema import RunConfig
from projgan.data.dataset import PreparedSet
from projgan.errors import DataError, DivergedError, ResourceError
from projgan.evaluation.copies import Yardstick
from projgan.evaluation.diversity import diversity
from projgan.evaluation.kernel import kernel_distance
from projgan.evaluation.manifold import manifold_scores
from projgan.evaluation.statistics import frechet_distance
from projgan.evaluation.thumbnails import ThumbnailSpace, thumbnails
from projgan.features.weights import weights_path
from projgan.snapshot import Snapshot
from projgan.workflows.distance import Lite1Distance
from projgan.workflows.sides import real_batches, spaced

_MOST_REALS = 1_000
_MOST_FOR_COPIES = 5_000
"""Copies are sought among all pictures or not at all; larger sets are not learned by heart."""
_NEIGHBOURS = 5
_TRIAL = 8
"""Pictures by which the time of a measurement is guessed before the first."""
_LEAST_S = 2.0
"""Nothing is tried while there is less time than this for it."""


class Measure:
    """Samples against reals on lite1 features: a line for the history, within a share of the time.

    Reals are at most 1,000, evenly spaced, and their features are computed at the first
    measurement. Latents are the same in every measurement.

    Args:
        note: told once if nothing can be measured because the weights of lite1 are missing.
    Raises: ResourceError: they are missing, and a measurement decides how the run goes on.
    """

    def __init__(
        self, config: RunConfig, data: PreparedSet, *, note: Callable[[str], None]
    ) -> None:
        self._config, self._data = config, data
        self._distance: Lite1Distance | None = None
        self._yardstick: Yardstick | None = None
        self._guess_s = 0.0
        self.is_needed = bool(
            config.metrics.stop_when_flat or config.health.on_collapse != "warn"
        ) and bool(config.metrics.every)
        self.is_on = config.metrics.every > 0 and len(data) > 1
        if self.is_on:
            try:
                weights_path("lite1")
            except ResourceError as error:
                if self.is_needed:
                    raise
                self.is_on = False
                note(f"nothing is measured: {error.what}")

    def is_due(self, elapsed_s: float, measured_s: float) -> bool:
        """Whether another measurement keeps to the share of the time.

        Where measurements decide how the run goes on, it always is: results must not depend on how
        fast a machine is.

        Args:
            elapsed_s, measured_s: seconds of training and of measuring so far.
        """
        if not self.is_on or self.is_needed:
            return self.is_on
        left = self._config.metrics.share * elapsed_s - measured_s
        if left < _LEAST_S:
            return False
        self._guess_s = self._guess_s or self._try()
        return self._guess_s <= left

    def __call__(self, snapshot: Snapshot) -> dict[str, Any]:
        """The figures of one snapshot, by their keys in the history.

        Raises: DivergedError: its pictures are not finite.
        """
        started = time.monotonic()
        distance = self._reals()
        before_fakes = time.monotonic()
        _require_finite(snapshot)
        fakes = list(distance.fakes(snapshot))
        figures = _figures(distance, fakes) | self._copies(fakes)
        now = time.monotonic()
        self._guess_s = now - before_fakes  # the reals need not be seen again
        return {**figures, "measure_s": round(now - started, 2)}

    def _reals(self) -> Lite1Distance:
        if self._distance is None:
            self._distance = Lite1Distance(
                self._data,
                limit=_MOST_REALS,
                samples=self._config.metrics.samples,
                device=self._config.training.device,
            )
        return self._distance

    def _copies(self, fakes: list[Tensor]) -> dict[str, float]:
        """The share of copies; nothing for sets in which they cannot be told."""
        if not 3 <= len(self._data) <= _MOST_FOR_COPIES:
            return {}
        try:
            self._yardstick = self._yardstick or Yardstick(
                ThumbnailSpace(thumbnails(real_batches(self._data, spaced(len(self._data), None))))
            )
        except DataError:  # fewer than three different ones
            return {}
        return {"copy_score": round(self._yardstick.score(thumbnails(fakes)).score, 4)}

    def _try(self) -> float:
        """Seconds that the first measurement will take, guessed from a few pictures."""
        count = min(_TRIAL, len(self._data))
        trial = Lite1Distance(
            self._data, limit=count, samples=count, device=self._config.training.device
        )
        pictures = min(len(self._data), _MOST_REALS) + self._config.metrics.samples
        return 2 * trial.seconds_per_real * pictures  # fakes must be made as well


def _figures(distance: Lite1Distance, fakes: list[Tensor]) -> dict[str, float]:
    """All figures but the time, from uint8 fakes (b, C, H, W)."""
    real, fake = distance.real, distance.features(fakes)
    kernel = kernel_distance(real, fake, subset_size=max(min(len(real), len(fake)) // 2, 2))
    figures = {
        "fd_lite1": round(frechet_distance(fake, real), 3),
        "kid_lite1": round(kernel.mean, 6),
        "kid_spread": round(kernel.spread, 6),
    }
    if min(len(real), len(fake)) > _NEIGHBOURS:
        scores = manifold_scores(real, fake, neighbours=_NEIGHBOURS)
        figures |= {"precision": round(scores.precision, 4), "recall": round(scores.recall, 4)}
    # As many reals as fakes: with more pictures, the next one is nearer.
    like = real[:: max(len(real) // len(fake), 1)][: len(fake)]
    for name, value in (
        ("diversity", diversity(fake)),
        ("diversity_reals", diversity(like)),
        ("spacing", spacing(fake)),
        ("spacing_reals", spacing(like)),
        ("saturation", _saturation(fakes)),
        ("saturation_reals", distance.saturation),
    ):
        figures[name] = round(value, 4)
    return figures


def spacing(features: Tensor) -> float:
    """The median distance from a picture to the one most like it: 0 where a set repeats itself.

    Unlike the mean distance it sees a generator that makes few pictures in turn: two pictures that
    differ are diverse, but every sample has its double.

    Args:
        features: (N, D), N >= 2.
    """
    between = torch.cdist(features, features, compute_mode="donot_use_mm_for_euclid_dist")
    return float(between.fill_diagonal_(float("inf")).amin(dim=1).median())


def _saturation(batches: list[Tensor]) -> float:
    """Share of pixel values at either end of the range, of uint8 (b, C, H, W)."""
    at_end = sum(int(((batch == 0) | (batch == 255)).sum()) for batch in batches)
    return at_end / sum(batch.numel() for batch in batches)


def _require_finite(snapshot: Snapshot) -> None:
    """Raise DivergedError if a weight is not: rounding to uint8 would hide it."""
    for name, value in snapshot.generator.state_dict().items():
        if value.is_floating_point() and not bool(torch.isfinite(value).all()):
            raise DivergedError(f"{name} of the averaged generator is not finite")
