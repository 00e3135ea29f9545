"""What to train with: settings for the pictures, a preset for the machine, and the command."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from projgan.config.presets import preset_config
from projgan.config.schema import RunConfig
from projgan.config.shapes import RESOLUTIONS, Resolution, size_of
from projgan.workflows.doctor.advice import (
    Choice,
    carried,
    classes_for,
    fit_for,
    mirror_for,
    mode_for,
    shape_for,
)
from projgan.workflows.doctor.diagnosis import BAD_MACHINE, Diagnosis
from projgan.workflows.doctor.length import Candidate, choose, try_presets
from projgan.workflows.doctor.load import busy
from projgan.workflows.doctor.looking import Look
from projgan.workflows.doctor.unusual import Sides
from projgan.workflows.train import run_name
from projgan.workflows.watch import Watch

MAX_BAD = RunConfig().data.max_bad
"""Share of unusable pictures that training accepts unless told otherwise."""


@dataclass(frozen=True)
class Effort:
    """How much of an examination is done.

    Attributes:
        look: pictures that lite1 looks at.
        seconds: of real steps to time; 0 for none.
        hours: how long the suggested run may take.
        settings: of the suggested run, its device and threads.
    """

    look: int = 1_000
    seconds: float = 30.0
    hours: float = 24.0
    settings: Mapping[str, str] = field(default_factory=dict)


def choose_settings(
    diagnosis: Diagnosis, look: Look, sides: Sides | None, mirrored: int
) -> dict[str, str]:
    """The settings that the pictures ask for, each said with its reason."""
    side, tenth = carried(look.sizes)
    prepared = look.prepared
    options: dict[str, str] = {}
    if prepared is not None:
        mode = Choice("" if prepared.mode == "rgb" else prepared.mode, "that of the set")
    else:
        mode = mode_for(look)
        fit, background = fit_for(look, shape_for(side, look.sizes))
        diagnosis.say("fit", fit.why)
        options |= _given("data.fit", fit) | ({"data.background": background} if background else {})
        if mode.value == "rgba":
            options.pop("data.background", None)
        diagnosis.say(
            "resolution",
            f"up to {shape_for(side, look.sizes)}: nine of ten pictures are {tenth} px or more "
            "along the shorter side",
        )
        if tenth < side:
            diagnosis.advise(f"most pictures are smaller than {side} px and will be enlarged")
    diagnosis.say("mode", mode.why)
    mirror = mirror_for(len(look), sides, mirrored)
    diagnosis.say("mirror", mirror.why)
    options |= _given("data.mode", mode) | _given("data.mirror", mirror)
    classes = classes_for(look)
    if classes is not None:
        diagnosis.say("classes", classes.why)
        options |= _given("data.conditional", classes)
    diagnosis.facts["sides_told_apart"] = None if sides is None else round(sides.right, 3)
    return options


def _given(key: str, choice: Choice) -> dict[str, str]:
    return {key: choice.value} if choice.value else {}


def choose_preset(
    diagnosis: Diagnosis,
    look: Look,
    path: str,
    options: Mapping[str, str],
    effort: Effort,
    watch: Watch,
) -> Candidate:
    """The preset for the pictures, the machine and the time, with what it was measured to cost."""
    is_busy = busy() if effort.seconds else ""
    if is_busy:
        diagnosis.advise(f"{is_busy}: an idle machine is faster than what was measured here")
    found = try_presets(
        path,
        _shapes(look),
        {k: v for k, v in options.items() if k != "data.conditional"} | dict(effort.settings),
        seconds=effort.seconds,
        most_hours=effort.hours,
        progress=watch.progress,
    )
    chosen = choose(found, effort.hours)
    for one in found:
        diagnosis.say("measured" if effort.seconds else "not measured", _cost(one))
    if chosen.was_measured and chosen.hours[1] > effort.hours:
        diagnosis.advise(
            f"{chosen.preset} takes longer here than {effort.hours:g} hours; it can be stopped and "
            "resumed at any time, and --minutes ends it sooner"
        )
    if not chosen.was_measured and chosen.trial is not None:
        diagnosis.fault(f"{chosen.preset} could not be tried: {chosen.trial.problem}", BAD_MACHINE)
    diagnosis.say("preset", f"{chosen.preset} at {chosen.resolution} px")
    diagnosis.facts["tried"] = [_plain(one) for one in found]
    diagnosis.facts["preset"] = chosen.preset
    diagnosis.facts["resolution"] = chosen.resolution
    diagnosis.facts["settings"] = dict(options)
    return chosen


def _shapes(look: Look) -> dict[int, Resolution]:
    """Square side -> resolution, for all that the pictures carry."""
    if look.prepared is not None:
        resolution = look.prepared.resolution
        height, width = size_of(resolution)
        side = min(RESOLUTIONS, key=lambda one: abs(one * one - height * width))
        return {side: resolution}
    most, _ = carried(look.sizes)
    sides = [side for side in RESOLUTIONS if 64 <= side <= most] or [most]
    return {side: shape_for(side, look.sizes) for side in sides}


def _cost(one: Candidate) -> str:
    head = f"{one.preset} at {one.resolution} px"
    if one.trial is None:
        return f"{head}: {one.images:,} images"
    if not one.was_measured:
        return f"{head}: {one.trial.problem}"
    steps, trial = len(one.trial.steps_s), one.trial
    timed = f"{steps} {'step' if steps == 1 else 'steps'}"
    if trial.is_first:
        timed = "the first step, which also sets things up,"
    return (
        f"{head}: {trial.images_per_s:.3g} images/s, so {one.images:,} images take "
        f"{_duration(*one.hours)} of steps; {trial.memory_mb:,.0f} MB "
        f"({timed} of {trial.batch} on {one.device}, {one.precision}, {one.threads} threads)"
    )


def _duration(low: float, high: float) -> str:
    """A range of hours, with as many digits as it deserves."""
    scale, unit = (1, "hours") if high >= 1.5 else (60, "minutes")
    ends = [f"{float(f'{hours * scale:.2g}'):,g}" for hours in (low, high)]
    return f"about {ends[0]} {unit}" if ends[0] == ends[1] else f"{ends[0]} to {ends[1]} {unit}"


def _plain(one: Candidate) -> dict[str, Any]:
    values: dict[str, Any] = {
        "preset": one.preset,
        "resolution": one.resolution,
        "images": one.images,
        "device": one.device,
        "precision": one.precision,
        "threads": one.threads,
    }
    if one.trial is not None and one.was_measured:
        values |= {
            "images_per_s": round(one.trial.images_per_s, 3),
            "hours": [round(hours, 3) for hours in one.hours],
            "memory_mb": round(one.trial.memory_mb, 1),
            "steps": len(one.trial.steps_s),
        }
    elif one.trial is not None:
        values["problem"] = one.trial.problem
    return values


def command(
    path: str, look: Look, options: Mapping[str, str], chosen: Candidate, effort: Effort
) -> str:
    """The training that was suggested, ready to be typed."""
    words = ["projgan", "train", shlex.quote(path), "--preset", chosen.preset]
    if preset_config(chosen.preset).data.resolution != chosen.resolution:
        words += ["--resolution", str(chosen.resolution)]
    for key, value in options.items():
        option = "--" + key.partition(".")[2].replace("_", "-")
        words += [option] if value == "true" else [option, shlex.quote(value)]
    if look.report.duplicates and look.prepared is None:
        words.append("--dedupe")
    if look.report.bad_share > MAX_BAD and look.prepared is None:
        words += ["--max-bad", f"{min(1.0, int(look.report.bad_share * 1000 + 1) / 1000):g}"]
    for key, value in effort.settings.items():
        words += ["--" + key.partition(".")[2], shlex.quote(value)]
    run, number = Path("runs") / run_name(path), 2
    if run.exists():
        while (free := run.with_name(f"{run.name}-{number}")).exists():
            number += 1
        words += ["--out", shlex.quote(str(free))]
    return " ".join(words)
