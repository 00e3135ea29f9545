"""The commands that make a run again, and those that use it.

Places are cut down to their last part, as in snapshots: a page that is passed on does not tell
where pictures lie.
"""

from __future__ import annotations

import dataclasses
import shlex
from pathlib import PurePath
from typing import Any

from projgan.config.load import differences
from projgan.config.networks import DEFAULT_WEIGHTS, RANDOM_WEIGHTS
from projgan.config.presets import PRESETS, preset_config
from projgan.config.schema import RunConfig

_OWN_OPTION = ("data.path", "preset")
"""Said by the command itself."""
Differences = dict[str, tuple[Any, Any]]


def without_places(config: RunConfig) -> RunConfig:
    """The config with names instead of paths."""
    weights = tuple(
        word if word in (DEFAULT_WEIGHTS, RANDOM_WEIGHTS) else PurePath(word).name
        for word in config.features.weights
    )
    return dataclasses.replace(
        config,
        data=dataclasses.replace(config.data, path=PurePath(config.data.path).name),
        features=dataclasses.replace(config.features, weights=weights),
        transfer=dataclasses.replace(config.transfer, source=PurePath(config.transfer.source).name),
    )


def base_of(config: RunConfig) -> RunConfig:
    """The preset that it started from; the defaults if that is none of ours."""
    return preset_config(config.preset) if config.preset in PRESETS else RunConfig()


def changes(config: RunConfig) -> Differences:
    """Settings that differ from the preset, `section.field` -> (preset's, this run's)."""
    found = differences(base_of(config), config)
    return {key: pair for key, pair in found.items() if key not in _OWN_OPTION}


def as_option(value: Any) -> str:
    """A value as `--set` reads it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, (tuple, list)):
        return ",".join(as_option(item) for item in value)
    return str(value)


def train_command(config: RunConfig, name: str) -> str:
    """`projgan train ...` that starts the same run.

    Args:
        config: without places.
        name: of the run folder.
    """
    words = ["projgan", "train", config.data.path or "FOLDER"]
    if config.preset in PRESETS:
        words += ["--preset", config.preset]
    for key, (_, value) in changes(config).items():
        words += ["--set", f"{key}={as_option(value)}"]
    return shlex.join([*words, "--out", f"runs/{name}"])


def use_commands(config: RunConfig, name: str, *, has_best: bool) -> list[str]:
    """What can be done with the run folder, in the order in which one would."""
    run = f"runs/{name}"
    flag = ["--allow-code"] if ":" in config.generator.name else []
    lines = [
        ["projgan", "resume", run, *flag],
        ["projgan", "sample", run, "--seeds", "0-63", "--grid", *flag],
        ["projgan", "interpolate", run, "--out", "walk.gif", *flag],
        ["projgan", "report", run],
    ]
    if has_best:
        best = ["projgan", "sample", f"{run}/snapshots/best", "--seeds", "0-63", "--grid", *flag]
        lines.insert(2, best)
    return [shlex.join(words) for words in lines]
