"""`projgan presets`."""

from __future__ import annotations

import argparse
from typing import Any

from projgan.config.presets import PRESETS, preset_config

EXAMPLES = ("projgan presets", "projgan presets few-shot-256")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("name", nargs="?", help="show every setting of this preset")


def run(args: argparse.Namespace) -> dict[str, Any]:
    """List the presets, or the settings of one in the form that `--config` reads."""
    if args.name:
        config = preset_config(args.name).to_dict()
        if not args.json:
            import yaml

            print(yaml.safe_dump(_plain(config), sort_keys=False), end="")
        return config
    if not args.json:
        width = max(map(len, PRESETS))
        for name, preset in PRESETS.items():
            print(f"{name:<{width}}  {preset.summary}")
    return {name: preset.summary for name, preset in PRESETS.items()}


def _plain(value: Any) -> Any:
    """Tuples as lists, which YAML knows."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return list(value) if isinstance(value, tuple) else value
