"""What a run does besides its steps: samples, features of pictures, batches from the set."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor

from projgan.evaluation.extractors import Extractor
from projgan.snapshot import Snapshot
from projgan.workflows.bench.feed import Feed
from projgan.workflows.bench.rounds import Way
from projgan.workflows.bench.spread import Spread
from projgan.workflows.bench.stopwatch import Stopwatch

PICTURES = 16
"""At once: what `projgan sample` and `evaluate` take."""
_LOADS = 20


def sampling_rate(way: Way, repeats: int) -> Spread:
    """Pictures a second of the averaged generator, as `projgan sample` makes them."""
    snapshot = Snapshot(way.state.generator_ema, way.config, images_seen=0).quick()
    seeds = list(range(PICTURES))
    latents, classes = snapshot.generator.latents(seeds), snapshot.classes_of(seeds)

    def once() -> None:
        for _ in snapshot.images(latents, classes=classes, batch=PICTURES):
            pass

    return _rate(PICTURES, once, way.stopwatch, repeats)


def evaluation_rate(way: Way, repeats: int) -> Spread:
    """Pictures a second through the network of the metrics (lite1), at the run's size."""
    extractor = Extractor().to(way.device)
    count = min(PICTURES, len(way.feed.pictures))
    pictures: Tensor = way.feed.pictures.images(range(count))

    def once() -> None:
        extractor.features([pictures])

    return _rate(count, once, way.stopwatch, repeats)


def loading_time(feed: Feed, batch: int, stopwatch: Stopwatch) -> Spread:
    """Seconds to get a batch onto the device, from places all over the set."""
    seconds = []
    for number in range(_LOADS + 1):
        started = stopwatch.now()
        feed.at(number * batch)
        seconds.append(stopwatch.now() - started)
    return Spread.of(seconds[1:])


def _rate(count: int, work: Callable[[], None], stopwatch: Stopwatch, repeats: int) -> Spread:
    """How many of `count` a second, after one call to warm up."""
    work()
    rates = []
    for _ in range(repeats):
        started = stopwatch.now()
        work()
        rates.append(count / (stopwatch.now() - started))
    return Spread.of(rates)
