"""Several ways to train, on the same pictures, for as long as each other: who gets closer sooner?

The runs take turns: the one that is furthest behind its budget trains up to its next measurement,
is saved, and makes room. So whatever else a machine does meanwhile slows all of them alike, one
network after another has the memory to itself, and the chart shows all of them from the start. A
turn is an exact resume, so turns change no weight; the seconds that count are those of the steps,
without loading, measuring and saving. What is on disk is all the state there is: the same call
again goes on with it.
"""

from __future__ import annotations

import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from projgan.data.dataset import PreparedSet
from projgan.data.prepare import open_cached
from projgan.errors import StoppedBySignal, UsageError
from projgan.rundir import RunDir
from projgan.workflows.comparison.chart import draw_comparison
from projgan.workflows.comparison.contenders import (
    Contender,
    Entry,
    choose,
    make_entries,
    settings_that_differ,
)
from projgan.workflows.comparison.outcomes import Comparison, Measure, Outcome
from projgan.workflows.comparison.record import write_record
from projgan.workflows.comparison.report import write_table
from projgan.workflows.comparison.sheet import draw_samples
from projgan.workflows.comparison.terms import (
    known_divergence,
    make_terms,
    refuse_changes,
    take_place,
)
from projgan.workflows.comparison.turns import Run, SayOnce, next_run, run_folder
from projgan.workflows.distance import Lite1Distance
from projgan.workflows.train import run_name
from projgan.workflows.watch import Watch

DEFAULT_SEEDS = (0, 1)
DEFAULT_SAMPLES = 1_000


def compare(
    data: str | Path,
    *,
    presets: Sequence[str] = (),
    contenders: Sequence[Contender | str] = (),
    images: int | None = None,
    minutes: float | None = None,
    seeds: Sequence[int] = DEFAULT_SEEDS,
    every: int | None = None,
    samples: int = DEFAULT_SAMPLES,
    options: Mapping[str, str] | None = None,
    out: str | Path | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Comparison:
    """Train every contender with every seed, and measure how far its samples are from the reals.

    Args:
        data: a folder, a zip or a prepared set; only read.
        presets: one to base all contenders on, or several that compete; few-shot-256 by default.
        contenders: objects or texts (`comparison.contenders.parse_contender`); by default the
            built-in ones.
        images, minutes: the budget of a run: images seen, and minutes of training, whichever ends
            first. The preset's length by default.
        seeds: every contender runs once with each.
        every: images between measurements; a twentieth of the run by default.
        samples: how many of them a distance is measured with.
        options: `section.field` -> value for all contenders, over their presets.
        out: `compare/NAME` by default. If a comparison on the same terms is there, it goes on.
        overwrite: move what is there aside and start anew.
    Returns: the finished comparison; its files lie in `out`, its runs in `out/runs`.
    Raises: StoppedBySignal: after Ctrl-C or SIGTERM, with everything saved. UsageError: the terms
        are unequal, or others than those that it began with. DataError: the pictures changed.
    """
    watch = watch or Watch()
    shared = dict(options or {})
    if images is not None:
        shared["training.images"] = str(images)
    if minutes is not None:
        shared["training.minutes"] = str(minutes)
    _check_numbers(seeds, samples)
    shared.setdefault("metrics.every", "0")  # turns are measured alike, at the sample grids
    base, chosen = choose(presets, contenders)
    if every is not None:
        shared["training.sample_every"] = str(every)
    entries = make_entries(data, base, chosen, options=shared, seed=seeds[0])
    root = Path(out) if out else Path("compare") / run_name(data)
    old = take_place(root, overwrite)
    pictures = _open_pictures(entries, old, watch)
    terms = make_terms(entries, pictures, seeds, samples)
    refuse_changes(old, terms, root)
    root.mkdir(parents=True, exist_ok=True)
    with RunDir(root).locked():
        return _Series(root, entries, pictures, terms, old, watch).finish()


class _Series:
    """The runs of one comparison, and what is written about them."""

    def __init__(
        self,
        root: Path,
        entries: Sequence[Entry],
        pictures: PreparedSet,
        terms: dict[str, Any],
        old: dict[str, Any] | None,
        watch: Watch,
    ) -> None:
        self._root, self._entries, self._pictures = root, entries, pictures
        self._terms, self._watch = terms, SayOnce(watch)
        self._measure = Measure(**old["measure"]) if old and old["measure"] else None
        diverged = known_divergence(old)
        self._runs = [
            [
                Run(root, entry, seed, diverged.get(run_folder(entry, seed), ""), self._watch)
                for seed in terms["seeds"]
            ]
            for entry in entries
        ]

    def finish(self) -> Comparison:
        """Turn after turn until every run is at its end."""
        self._say_terms()
        comparison = self._write()
        metric: Lite1Distance | None = None
        while (run := next_run(self._runs)) is not None:
            metric = metric or self._prepare_metric()
            try:
                signal_number = run.take_turn(metric)
            except StoppedBySignal as stopped:
                self._write()
                raise self._stopped(stopped.exit_code - 128) from stopped
            comparison = self._write()
            if signal_number and not comparison.is_finished:
                raise self._stopped(signal_number)
        draw_samples(comparison, self._pictures)
        write_table(comparison)  # once more, now that there is something to link to
        return comparison

    def _prepare_metric(self) -> Lite1Distance:
        training = self._entries[0].config.training
        torch.set_num_threads(training.threads)
        metric = Lite1Distance(
            self._pictures,
            limit=None,
            samples=self._terms["samples"],
            device=training.device,
            progress=lambda done, total: self._watch.progress("looking at the reals", done, total),
        )
        self._measure = Measure(
            metric.name, metric.description, metric.num_reals, metric.num_samples, metric.floor()
        )
        return metric

    def _write(self) -> Comparison:
        """Everything but the pictures, as far as it has come."""
        differing = settings_that_differ(self._entries)
        outcomes = tuple(
            Outcome(entry.contender.name, entry.preset, settings, tuple(r.outcome() for r in runs))
            for entry, settings, runs in zip(self._entries, differing, self._runs, strict=True)
        )
        comparison = Comparison(self._root, self._terms, self._measure, outcomes)
        write_record(comparison)
        if comparison.measured:
            draw_comparison(comparison)
            write_table(comparison)
        return comparison

    def _say_terms(self) -> None:
        training = self._entries[0].config.training
        count = sum(len(runs) for runs in self._runs)
        limits = [f"{self._terms['images']:,} images"] if self._terms["images"] else []
        limits += [f"{training.minutes:g} minutes"] if training.minutes else []
        self._watch.note(
            f"{count} runs ({len(self._entries)} contenders, {len(self._terms['seeds'])} seeds) of "
            f"{' or '.join(limits)}, in turns of {training.sample_every:,} images: {self._root}"
        )
        for entry in self._entries:
            settings = "".join(f", {k}={v}" for k, v in entry.contender.options.items())
            self._watch.note(f"  {entry.contender.name}: {entry.preset}{settings}")

    def _stopped(self, number: int) -> StoppedBySignal:
        cause = "Ctrl-C" if number == signal.SIGINT else signal.Signals(number).name
        return StoppedBySignal(
            f"the comparison was stopped by {cause}; everything is saved",
            signal_number=number,
            safe=str(self._root),
            next_command="the same command again goes on from here",
        )


def _check_numbers(seeds: Sequence[int], samples: int) -> None:
    if not seeds:
        raise UsageError("no seeds given", where="option --seeds", next_command="--seeds 0,1")
    if len(set(seeds)) < len(seeds):
        raise UsageError("a seed is given twice", where="option --seeds")
    if samples < 2:
        raise UsageError("a distance needs at least 2 samples", where="option --samples")


def _open_pictures(
    entries: Sequence[Entry], old: dict[str, Any] | None, watch: Watch
) -> PreparedSet:
    """The pictures, which have to be the same for every contender."""
    known = str(old["terms"].get("fingerprint", "")) if old else ""
    sets = [
        open_cached(
            entry.config.data,
            fingerprint=known,
            progress=lambda done, total: watch.progress("preparing pictures", done, total),
        )
        for entry in entries
    ]
    for entry, pictures in zip(entries, sets, strict=True):
        if pictures.fingerprint != sets[0].fingerprint:
            raise UsageError(
                f"{entries[0].contender.name} and {entry.contender.name} would see other pictures",
                where="settings of section data",
                next_command="give all contenders the same, for example --resolution 64",
            )
    return sets[0]
