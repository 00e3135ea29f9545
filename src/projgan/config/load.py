"""From names, files and options to one config, and back.

Precedence: preset < file < options (`section.field=value`). Unknown keys are errors that list the
    known ones. `resolve` settles every setting that stands for a decision, so that a saved config
    leaves nothing open.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from projgan.config.learning import Compile, Precision
from projgan.config.networks import (
    GAMMA_PER_PIXEL,
    RANDOM_WEIGHTS,
    WIDTH_SHARES,
    DiscriminatorConfig,
    FeaturesConfig,
)
from projgan.config.presets import preset_config
from projgan.config.schema import RunConfig
from projgan.errors import UsageError, choose_from, first_line

RESUME_MAY_CHANGE = frozenset(
    f"training.{name}"
    for name in (
        "images",
        "minutes",
        "log_every",
        "sample_every",
        "snapshot_every",
        "checkpoint_every",
        "keep_snapshots",
        "keep_checkpoints",
        "recompute",
        "micro_batch",
        "device",
        "threads",
        "compile",
    )
) | {
    "data.path",
    "features.weights",
    "transfer.source",
    "metrics.every",
    "metrics.share",
    "metrics.samples",
    "metrics.judge",
    "metrics.stop_when_flat",
    "health.on_collapse",
    "health.rollbacks",
    "tracking.trackers",
    "tracking.project",
}
"""Settings that a resumed run may change: none of them changes what a step computes.

(But for `training.micro_batch`, without which a run could not go on where there is less memory: it
is how many pictures batch statistics see, and the history says so. The weights of the feature
networks are in the checkpoint; their file may have moved. What a run started from may have moved
too; its digest says whether it is the same.)
"""


def load_config(
    *, preset: str = "", file: Path | None = None, options: Mapping[str, str] | None = None
) -> RunConfig:
    """One config from a preset, a YAML or JSON file, and `section.field` options.

    One with a `transfer.source` has no ramp-up of the average, unless file or options say so: the
    average starts from weights that are worth keeping.

    Raises: UsageError: unknown preset, key or value, unreadable file.
    """
    values: dict[str, Any] = {}
    if file is not None:
        values = read_file(file)
        preset = preset or str(values.get("preset", ""))
    base = preset_config(preset) if preset else RunConfig()
    config = override(merge(base, values), options or {})
    if config.transfer.source:
        base = merge(base, {"training": {"ema_rampup": 0.0}})
        config = override(merge(base, values), options or {})
    return config


def merge(base: RunConfig, values: Mapping[str, Any]) -> RunConfig:
    """`base` with the sections of `values` laid over it."""
    top: dict[str, Any] = {}
    for key, value in values.items():
        if key not in _hints(RunConfig):
            raise choose_from("section", str(key), sorted(_hints(RunConfig)))
        section = getattr(base, key)
        if not dataclasses.is_dataclass(section):
            top[key] = _coerce(value, _hints(RunConfig)[key], key)
        elif isinstance(value, Mapping):
            top[key] = _replace_section(section, value, key)
        else:
            raise UsageError("a section holds settings", where=f"section {key}")
    return dataclasses.replace(base, **top)


def override(config: RunConfig, options: Mapping[str, str]) -> RunConfig:
    """`config` with options such as `{"training.batch": "16"}` laid over it."""
    nested: dict[str, dict[str, str]] = {}
    for key, value in options.items():
        section, dot, name = key.partition(".")
        if not dot:
            raise UsageError(
                f"{key!r} names no setting",
                where="option --set",
                next_command="--set SECTION.FIELD=VALUE, for example --set training.batch=16",
            )
        nested.setdefault(section, {})[name] = value
    return merge(config, nested)


def from_dict(values: Mapping[str, Any]) -> RunConfig:
    """A saved config, strictly."""
    return merge(RunConfig(), values)


def read_file(path: Path) -> dict[str, Any]:
    """The mapping in a YAML or JSON file."""
    import yaml  # noqa: PLC0415 - only needed with --config

    try:
        values = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UsageError("there is no such file", where=str(path)) from error
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as error:
        raise UsageError(
            f"cannot read this config: {first_line(error)}", where=str(path)
        ) from error
    if not isinstance(values, dict):
        raise UsageError("a config is a mapping of sections", where=str(path))
    return values


def to_json(config: RunConfig) -> str:
    """The config as it is saved."""
    return json.dumps(config.to_dict(), indent=2) + "\n"


def resolve(
    config: RunConfig,
    *,
    device: str,
    precision: Precision,
    threads: int,
    compile_networks: Compile = "off",
    only_sizes: Sequence[int | None] = (None,),
) -> RunConfig:
    """Settle what is left open: discriminator, micro-batch, EMA half-life, and the device's part.

    Settings of the features stay open where the discriminator has none. The reference enlarges
    pictures below 224 px to 224 and leaves larger ones alone (of those that are not square the
    shorter side counts); its EMA half-life is batch * 10 / 32 thousand images.

    What follows from a batch stays open as long as the batch does (0).

    Args:
        only_sizes: for each feature network the one size that it sees in pixels; None: any.
    """
    training, features, discriminator = config.training, config.features, config.discriminator
    if discriminator.is_projected:
        features = _resolve_features(features, min(config.data.size), only_sizes)
    else:
        discriminator = _resolve_discriminator(config)
    training = dataclasses.replace(
        training,
        micro_batch=training.micro_batch or training.batch,
        ema_half_life_kimg=training.ema_half_life_kimg or training.batch * 10 / 32,
        device=device,
        precision=precision,
        compile=compile_networks,
        threads=threads,
    )
    return dataclasses.replace(
        config, training=training, features=features, discriminator=discriminator
    )


def _resolve_features(
    features: FeaturesConfig, shorter_side: int, only_sizes: Sequence[int | None]
) -> FeaturesConfig:
    if features.input_size == "reference":
        usual = max(shorter_side, 224)
        sizes = tuple(size or usual for size in only_sizes)
        one = sizes[0] if len(set(sizes)) == 1 else sizes
        features = dataclasses.replace(features, input_size=one)
    if not features.pretrained:
        # Named in every saved config, not only by the absence of something.
        words = (RANDOM_WEIGHTS,) * len(features.name.split(","))
        features = dataclasses.replace(features, weights=words)
    return features


def _resolve_discriminator(config: RunConfig) -> DiscriminatorConfig:
    """Width, and the weight of the penalty where there is one."""
    section = config.discriminator
    gamma = section.r1_gamma
    if section.penalty_every and config.training.batch:
        gamma = gamma or GAMMA_PER_PIXEL * math.prod(config.data.size) / config.training.batch
    width = section.width or int(config.generator.width * WIDTH_SHARES[section.name])
    return dataclasses.replace(section, width=width, r1_gamma=gamma)


def differences(old: RunConfig, new: RunConfig) -> dict[str, tuple[Any, Any]]:
    """Settings that differ, by `section.field`."""
    flat_old, flat_new = _flatten(old), _flatten(new)
    return {
        key: (flat_old[key], flat_new[key]) for key in flat_old if flat_old[key] != flat_new[key]
    }


def _flatten(config: RunConfig) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in config.to_dict().items():
        if isinstance(value, dict):
            flat.update({f"{key}.{name}": field for name, field in value.items()})
        else:
            flat[key] = value
    return flat


def _hints(owner: type) -> dict[str, Any]:
    return typing.get_type_hints(owner)


def _replace_section(section: Any, values: Mapping[str, Any], name: str) -> Any:
    hints = _hints(type(section))
    for key in values:
        if key not in hints:
            raise choose_from(f"setting in section {name}", str(key), sorted(hints))
    fields = {key: _coerce(value, hints[key], f"{name}.{key}") for key, value in values.items()}
    return dataclasses.replace(section, **fields)


def _coerce(value: Any, kind: Any, name: str) -> Any:
    """`value`, from JSON or from a command line, as the type that the field is declared with."""
    if isinstance(kind, types.UnionType) or typing.get_origin(kind) is typing.Union:
        return _coerce_first(value, typing.get_args(kind), name)
    if typing.get_origin(kind) is typing.Literal:
        if value not in typing.get_args(kind):
            raise choose_from(
                f"value of {name}", str(value), [str(a) for a in typing.get_args(kind)]
            )
        return value
    if typing.get_origin(kind) is tuple:
        items = [part for part in value.split(",") if part] if isinstance(value, str) else value
        if isinstance(items, (list, tuple)):
            return tuple(_coerce(item, typing.get_args(kind)[0], name) for item in items)
    elif kind is bool:
        words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
        if isinstance(value, bool) or (isinstance(value, str) and value.lower() in words):
            return value if isinstance(value, bool) else words[value.lower()]
    elif kind in (int, float):
        number = _number(value, kind)
        if number is not None:
            return number
    elif isinstance(value, str):
        return value
    expected = getattr(kind, "__name__", str(kind))
    raise UsageError(f"{value!r} is not a {expected}", where=f"setting {name}")


def _coerce_first(value: Any, kinds: tuple[Any, ...], name: str) -> Any:
    for kind in kinds:
        try:
            return _coerce(value, kind, name)
        except UsageError:
            continue
    raise UsageError(f"{value!r} is not a value of this setting", where=f"setting {name}")


def _number(value: Any, kind: type) -> int | float | None:
    """`value` as an int or float; "400k" and "2e5" are read as whole numbers too."""
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        if isinstance(value, str):
            text = value.strip().lower().replace("_", "")
            factor = {"k": 1_000, "m": 1_000_000}.get(text[-1:], 1)
            number = float(text[:-1] if factor > 1 else text) * factor
        else:
            number = float(value)
    except ValueError:
        return None
    if number != number or number in (float("inf"), float("-inf")):
        return None
    if kind is float:
        return number
    return int(number) if number == int(number) else None
