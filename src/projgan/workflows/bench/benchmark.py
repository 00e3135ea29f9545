"""The whole of `projgan bench`: what a step costs here, by part, and against another way."""

from __future__ import annotations

import contextlib
import dataclasses
import json
import statistics
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projgan import storage
from projgan.build import settle
from projgan.config.load import load_config
from projgan.config.presets import DEFAULT_PRESET
from projgan.config.schema import RunConfig
from projgan.errors import DivergedError, UsageError, choose_from
from projgan.generators.plugin import admit
from projgan.rundir import first_free
from projgan.training.device import prepare_device
from projgan.workflows.bench.aside import evaluation_rate, loading_time, sampling_rate
from projgan.workflows.bench.chart import draw_benchmark
from projgan.workflows.bench.feed import pictures_for
from projgan.workflows.bench.machine import machine_facts
from projgan.workflows.bench.memory import peak_memory
from projgan.workflows.bench.opponent import parse_opponent
from projgan.workflows.bench.reference import KEEPS
from projgan.workflows.bench.rounds import Parts, Rounds, Way, take_turns
from projgan.workflows.bench.spread import Spread, digits
from projgan.workflows.bench.stopwatch import require_processor_time
from projgan.workflows.bench.timed import NETWORK_PARTS, OTHER_PARTS, backward_of
from projgan.workflows.bench.work import measure_work
from projgan.workflows.watch import Watch

Facts = dict[str, Any]
"""Plain JSON values."""

BESIDES = ("parts", "memory", "work", "sampling", "evaluation", "data")
"""What is measured besides whole steps."""
JSON_NAME, CHART_NAME = "bench.json", "bench.png"
REPEATS, WARM_UP = 5, 1


@dataclass(frozen=True)
class Effort:
    """How much is measured.

    Attributes:
        repeats: steps of each way that count.
        warm_up: steps of each way before them.
        besides: of BESIDES.
        cpu_time: count the processor's time, for a machine that others use as well.
    """

    repeats: int = REPEATS
    warm_up: int = WARM_UP
    besides: Collection[str] = BESIDES
    cpu_time: bool = False

    def __post_init__(self) -> None:
        for name, value, least in (("repeats", self.repeats, 1), ("warm-up", self.warm_up, 1)):
            if value < least:
                raise UsageError(f"must be at least {least}", where=f"option --{name}")
        for name in self.besides:
            if name not in BESIDES:
                raise choose_from("part of a benchmark", name, ("step", *BESIDES))


def benchmark(
    data: str | Path = "",
    *,
    preset: str = "",
    config_file: Path | None = None,
    options: Mapping[str, str] | None = None,
    against: str = "",
    effort: Effort | None = None,
    allow_code: bool = False,
    watch: Watch | None = None,
) -> Facts:
    """Measure steps of a run that is never trained.

    Args:
        data: a folder, a zip or a prepared set; noise without one.
        preset, config_file, options, allow_code: as for `train`.
        against: `reference-step`, or settings such as "training.precision=fp32".
        watch: is told what happens.
    Returns: what `bench.json` holds; docs/file-formats.md lists it.
    Raises: UsageError, DataError, ResourceError: as `train`. Sets torch's number of CPU threads.
    """
    watch, effort = watch or Watch(), effort or Effort()
    chosen = dict(options or {})
    preset = preset or ("" if config_file else DEFAULT_PRESET)
    config = load_config(preset=preset, file=config_file, options=chosen)
    if data:
        section = dataclasses.replace(config.data, path=str(Path(data).resolve()))
        config = dataclasses.replace(config, data=section)
    admit(config.generator.name, allow_code=allow_code or "generator.name" in chosen)
    opponent = parse_opponent(against, config) if against else None
    unclassed = settle(config)
    if effort.cpu_time:
        for one in (unclassed, *([opponent.config] if opponent else [])):
            require_processor_time(one)
    prepare_device(unclassed.training)
    with contextlib.ExitStack() as stack:
        ours, pictures = stack.enter_context(pictures_for(unclassed))
        ways = [Way("ours", ours, pictures, of_processor=effort.cpu_time)]
        if opponent is not None:
            theirs = dataclasses.replace(opponent.config, data=ours.data)
            if opponent.config.data != unclassed.data:
                theirs, pictures = stack.enter_context(pictures_for(opponent.config))
            ways.append(
                Way(
                    opponent.name,
                    theirs,
                    pictures,
                    is_reference=opponent.is_reference,
                    of_processor=effort.cpu_time,
                )
            )
        try:
            return _measure(ways, effort, watch)
        except DivergedError as error:
            error.safe = "nothing was trained, and nothing is written"
            raise


def _measure(ways: Sequence[Way], effort: Effort, watch: Watch) -> Facts:
    """All figures of the first way, and how the second compares."""
    ours = ways[0]
    for way in ways:
        if way.not_compiled:
            watch.note(f"{way.name}: not compiled: {way.not_compiled}")
    rounds = take_turns(
        ways,
        warm_up=effort.warm_up,
        repeats=effort.repeats,
        by_part="parts" in effort.besides,
        progress=lambda done, total: watch.progress("rounds of steps", done, total),
    )
    step = Spread.of(rounds.whole[0])
    facts: Facts = {
        "machine": machine_facts(ours.config),
        "settings": _settings(ours.config),
        "seconds_of": "processor" if effort.cpu_time else "wall",
        "step": _step_facts(ours, rounds.whole[0], rounds.first_s[0]),
    }
    if rounds.parts:
        facts["parts"] = part_facts(rounds.parts, step.median)
    if len(ways) > 1:
        facts["against"] = _against_facts(ways, rounds)
    for name, measure in _besides(ours, step, effort.repeats).items():
        if name in effort.besides:
            watch.note(f"measuring {name}")
            facts[name] = measure()
    if "memory" in effort.besides:
        for way, place in zip(ways, ("step", "against"), strict=False):
            watch.note(f"measuring the memory of {way.name}")
            trial = peak_memory(way.config, is_reference=way.is_reference)
            facts[place] |= {"memory_mb": digits(trial.memory_mb) if trial.memory_mb else None}
            if trial.problem:
                watch.note(f"the memory of {way.name} is not known: {trial.problem}")
    return facts


def _besides(ours: Way, step: Spread, repeats: int) -> dict[str, Callable[[], Facts]]:
    """What is measured after the steps, by name."""

    def data() -> Facts:
        seconds = loading_time(ours.feed, ours.batch, ours.stopwatch)
        return {
            "pictures": len(ours.feed.pictures),
            "seconds": seconds.as_dict(),
            "share": digits(seconds.median / step.median),
        }

    def sampling() -> Facts:
        return {"images_per_s": sampling_rate(ours, repeats).as_dict()}

    def evaluation() -> Facts:
        return {"images_per_s": evaluation_rate(ours, repeats).as_dict()}

    return {
        "data": data,
        "sampling": sampling,
        "evaluation": evaluation,
        "work": lambda: measure_work(ours, step.median).as_dict(),
    }


def _settings(config: RunConfig) -> Facts:
    """The settings that a figure depends on most; the config has all."""
    training = config.training
    return {
        "preset": config.preset,
        "resolution": config.data.resolution,
        "generator": f"{config.generator.name}, width {config.generator.width}",
        "discriminator": config.discriminator.name,
        "features": config.features.description if config.discriminator.is_projected else "",
        "batch": training.batch,
        "micro_batch": training.micro_batch,
        "step": training.step,
        "precision": training.precision,
        "compile": training.compile,
        "config": config.to_dict(),
    }


def _step_facts(way: Way, seconds: Sequence[float], first_s: float) -> Facts:
    return {
        "seconds": Spread.of(seconds).as_dict(),
        "images_per_s": Spread.of([way.batch / one for one in seconds]).as_dict(),
        "not_compiled": way.not_compiled,
        "first_s": digits(first_s),
    }


def part_facts(rounds: Sequence[Parts], whole_s: float) -> Facts:
    """Seconds by part: medians, their shares of the sum, and the sum beside a whole step.

    Args:
        rounds: seconds by part of one step or more.
        whole_s: of a step that nobody looked into.
    """
    names = [*NETWORK_PARTS, *(backward_of(name) for name in NETWORK_PARTS), *OTHER_PARTS]
    seconds = {name: statistics.median(parts.get(name, 0.0) for parts in rounds) for name in names}
    total = sum(seconds.values())
    rows: Facts = {}
    for name in (*NETWORK_PARTS, *OTHER_PARTS):
        both = {"forward_s": seconds[name]}
        if name in NETWORK_PARTS:
            both["backward_s"] = seconds[backward_of(name)]
        share = sum(both.values()) / total
        rows[name] = {key: digits(value) for key, value in {**both, "share": share}.items()}
    backward = sum(seconds[backward_of(name)] for name in NETWORK_PARTS)
    return {
        "by_part": rows,
        "backward_s": digits(backward),
        "sum_s": digits(total),
        "whole_s": digits(whole_s),
    }


def _against_facts(ways: Sequence[Way], rounds: Rounds) -> Facts:
    """The other way's figures, and how many times as fast ours is, round by round."""
    ours, theirs = ways
    facts = _step_facts(theirs, rounds.whole[1], rounds.first_s[1])
    pairs = zip(*rounds.whole, strict=True)
    ratios = [(their_s / theirs.batch) / (our_s / ours.batch) for our_s, their_s in pairs]
    fastest = [min(seconds) / way.batch for seconds, way in zip(rounds.whole, ways, strict=True)]
    return {
        "name": theirs.name,
        "keeps": list(KEEPS) if theirs.is_reference else [],
        **facts,
        "ratio": Spread.of(ratios).as_dict(),
        "ratio_of_fastest": digits(fastest[1] / fastest[0]),
    }


def write_benchmark(facts: Facts, out: Path, *, overwrite: bool = False) -> None:
    """Write `bench.json` and `bench.png` to the folder `out`.

    Args:
        overwrite: move an existing folder aside.
    Raises: UsageError: it exists.
    """
    refuse_benchmark(out, overwrite=overwrite)
    if out.exists():
        out.rename(first_free(out))
    out.mkdir(parents=True)
    storage.write_text(out / JSON_NAME, json.dumps(facts, indent=1) + "\n")
    draw_benchmark(facts, out / CHART_NAME)


def refuse_benchmark(out: Path, *, overwrite: bool) -> None:
    """Raise UsageError if `out` may not be written, before anything is measured."""
    if out.exists() and not overwrite:
        raise UsageError(
            "it exists already",
            where=str(out),
            next_command="choose another --out, or add --overwrite to move it aside",
        )
