import shlex

import pytest

from projgan.config.load import override
from projgan.config.presets import PRESETS, preset_config
from projgan.config.schema import RunConfig
from projgan.workflows.page.commands import train_command, use_commands, without_places
from tiny import tiny_config


def config_of(command: str) -> RunConfig:
    """What `projgan train` makes of a command line."""
    from projgan.cli.arguments import ShortParser, settings_of
    from projgan.cli.train import add_arguments

    parser = ShortParser("train", "train", ())
    add_arguments(parser)
    program, verb, *words = shlex.split(command)
    assert (program, verb) == ("projgan", "train")
    args = parser.parse_args(words)
    base = preset_config(args.preset) if args.preset else RunConfig()
    return override(base, settings_of(args) | {"data.path": args.data})


@pytest.mark.parametrize("preset", PRESETS)
def test_the_command_gives_the_same_config(preset: str) -> None:
    options = {
        "data.path": "my photos",
        "data.mirror": "true",
        "augment.policy": "translation",
        "training.device": "cpu",
    }
    config = override(preset_config(preset), options)
    assert config_of(train_command(config, "a run")) == config


def test_without_a_preset_it_starts_from_the_defaults() -> None:
    config = override(tiny_config(), {"data.path": "photos"})
    assert config_of(train_command(config, "photos")) == config


def test_places_are_cut_down_to_names() -> None:
    options = {
        "data.path": "/home/someone/secret/photos",
        "features.weights": "/home/someone/lite0.safetensors",
        "features.pretrained": "true",
        "transfer.source": "/home/someone/runs/others",
    }
    command = train_command(without_places(override(RunConfig(), options)), "photos")
    assert "someone" not in command
    assert "photos" in command and "lite0.safetensors" in command and "others" in command


def test_code_from_outside_is_named_and_allowed_only_by_a_flag() -> None:
    config = override(RunConfig(), {"generator.name": "my_module:Mine"})
    lines = use_commands(config, "photos", has_best=True)
    assert all("--allow-code" in line for line in lines if "report" not in line)
    assert "projgan sample runs/photos/snapshots/best --seeds 0-63 --grid --allow-code" in lines
