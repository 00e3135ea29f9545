"""Who competes: a name, a preset, and settings over it; and what all of them share."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from projgan.config.load import differences, load_config, override
from projgan.config.presets import DEFAULT_PRESET, PRESETS, preset_config
from projgan.config.schema import RunConfig
from projgan.errors import UsageError, choose_from
from projgan.workflows.fitting import is_open
from projgan.workflows.train import plan

SHARED = {
    "training.images": "--images",
    "training.minutes": "--minutes",
    "training.seed": "--seeds",
    "training.sample_every": "--every",
}
"""Settings that a comparison decides for all runs, and the option for each."""
_MUST_AGREE = ("training.images", "training.device", "training.threads")
_POINTS = 20
"""Measurements of a run, besides the one at its start, if nobody says how many."""
ENDLESS = 1_000_000_000
"""Images of a run that only minutes end."""


@dataclass(frozen=True)
class Contender:
    """One way to train.

    Args:
        name: of its runs and lines: letters, digits, dot, dash and underscore.
        preset: where its settings start; empty for the preset that the comparison is based on.
        options: `section.field` -> value, over the preset and over what all contenders share.
    """

    name: str
    preset: str = ""
    options: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]*", self.name):
            raise UsageError(
                f"{self.name!r} is no name for a contender: letters, digits, dot, dash, underscore",
                where="option --contender",
            )
        if self.preset:
            preset_config(self.preset)
        for key in self.options:
            if key in SHARED:
                raise UsageError(
                    f"{key} is the same for all contenders",
                    where=f"contender {self.name}",
                    next_command=f"set it with {SHARED[key]}",
                )


def _from_pixels(preset: str) -> Contender:
    """A discriminator trained from pixels, with the optimisers and the step of its preset."""
    config = preset_config(preset)
    options = {f"optimizer.{key}": str(value) for key, value in vars(config.optimizer).items()}
    options["training.step"] = config.training.step
    name = config.discriminator.name
    return Contender(name, options={"discriminator.name": name, **options})


BUILT_IN = (
    Contender("projected", options={"discriminator.name": "projected"}),
    _from_pixels("pixels-fastgan-64"),
    _from_pixels("pixels-stylegan2-64"),
)
"""Who competes if nobody else is named: the projected discriminator as the preset has it, and those
trained from pixels as in theirs."""


@dataclass(frozen=True)
class Entry:
    """A contender and the settled config of its runs, which differ in their seed only."""

    contender: Contender
    options: Mapping[str, str]
    """All settings over the preset, those that contenders share included."""
    preset: str
    config: RunConfig


def parse_contender(text: str) -> Contender:
    """Read `NAME: PRESET, section.field=value, ...`; preset and settings may be left out.

    A name alone is one of the built-in contenders, or a preset. A part without "=" after a setting
    belongs to its value: `augment.policy=color,translation`.
    Raises: UsageError: it cannot be read, or there is no such contender or preset.
    """
    name, colon, rest = (part.strip() for part in text.partition(":"))
    if not colon:
        return _known(name)
    preset, options, key = "", {}, ""
    for number, part in enumerate(rest.split(",") if rest else []):
        if "=" in part:
            key, _, value = (word.strip() for word in part.partition("="))
            options[key] = value
        elif key:
            options[key] += f",{part.strip()}"
        elif number == 0:
            preset = part.strip()
        else:
            raise UsageError(
                f"{part.strip()!r} is no setting",
                where=f"contender {name}",
                next_command='--contender "NAME: PRESET, section.field=value, ..."',
            )
    return Contender(name, preset, options)


def choose(
    presets: Sequence[str], contenders: Sequence[Contender | str]
) -> tuple[str, list[Contender]]:
    """The preset that contenders start from, and the contenders.

    One preset is the base of all contenders. Several are contenders themselves, and others then
    name a preset of their own.
    Raises: UsageError: fewer than two contenders, or two of one name.
    """
    chosen = [parse_contender(one) if isinstance(one, str) else one for one in contenders]
    if len(presets) > 1:
        chosen = [Contender(name, preset=name) for name in presets] + chosen
        without = [one.name for one in chosen if not one.preset]
        if without:
            raise UsageError(
                f"which preset is contender {without[0]} based on?",
                where="several --preset options are contenders themselves",
                next_command=f'--contender "{without[0]}: PRESET, section.field=value"',
            )
    chosen = chosen or list(BUILT_IN)
    names = [one.name for one in chosen]
    if len(names) < 2:
        raise UsageError(
            f"{names[0]} has nobody to compete with",
            where="option --contender",
            next_command='--contender projected --contender "NAME: section.field=value"',
        )
    for name in names:
        if names.count(name) > 1:
            raise UsageError(f"two contenders are called {name}", where="option --contender")
    return (presets[0] if len(presets) == 1 else DEFAULT_PRESET), chosen


def make_entries(
    data: str | Path,
    base: str,
    contenders: Sequence[Contender],
    *,
    options: Mapping[str, str],
    seed: int,
) -> list[Entry]:
    """Settle the config of every contender, and see that they compete under equal terms.

    Args:
        options: what all contenders share; contenders' own options win. Without
            `training.sample_every` in it, a run is measured twenty times.
        seed: of the config that stands for all seeds.
    Raises: UsageError: budgets or devices differ, or a config is wrong.
    """
    if "training.seed" in options:
        raise UsageError("each contender runs with several seeds", next_command="--seeds 0,1")
    shared = {**options, "training.seed": str(seed)}
    if "training.minutes" in shared:
        shared.setdefault("training.images", str(ENDLESS))
    entries = [_entry(data, base, one, shared) for one in contenders]
    _require_equal_terms(entries)
    training = entries[0].config.training
    is_endless = training.images == ENDLESS
    if is_endless and training.minutes == 0:
        raise UsageError("0 minutes mean no limit", next_command="--minutes 10, or --images 20k")
    if "training.sample_every" in shared:
        return entries
    every = max(training.batch, round(training.images / _POINTS))
    measured = {"training.sample_every": str(training.sample_every if is_endless else every)}
    return [
        replace(
            entry,
            options={**entry.options, **measured},
            config=override(entry.config, measured),
        )
        for entry in entries
    ]


def _entry(data: str | Path, base: str, contender: Contender, shared: Mapping[str, str]) -> Entry:
    options = {**shared, **contender.options}
    preset = contender.preset or base
    if is_open(load_config(preset=preset, options=options).training):
        raise UsageError(
            "runs are compared at the same batch, which the memory cannot decide",
            where=f"contender {contender.name}",
            next_command="say it: --batch 8 --set training.micro_batch=4",
        )
    return Entry(contender, options, preset, plan(data, preset=preset, options=options))


def _require_equal_terms(entries: Sequence[Entry]) -> None:
    first = entries[0]
    for other in entries[1:]:
        differing = differences(first.config, other.config)
        for key in _MUST_AGREE:
            if key in differing:
                one, two = differing[key]
                raise UsageError(
                    f"{key} is {one} for {first.contender.name} and {two} for "
                    f"{other.contender.name}; contenders compete under equal terms",
                    next_command=f"{SHARED.get(key, f'--set {key}=VALUE')} sets it for all",
                )


def settings_that_differ(entries: Sequence[Entry]) -> list[dict[str, Any]]:
    """For each contender the settings, `section.field` -> value, that not all have alike."""
    names: set[str] = set()
    for other in entries[1:]:
        names |= differences(entries[0].config, other.config).keys()
    names.discard("preset")
    found = []
    for entry in entries:
        sections = entry.config.to_dict()
        found.append({key: _value(sections, key) for key in sorted(names)})
    return found


def _value(sections: Mapping[str, Any], key: str) -> Any:
    section, _, name = key.partition(".")
    return sections[section][name] if name else sections[section]


def _known(name: str) -> Contender:
    for one in BUILT_IN:
        if one.name == name:
            return one
    if name in PRESETS:
        return Contender(name, preset=name)
    raise choose_from("contender", name, [*(one.name for one in BUILT_IN), *PRESETS])
