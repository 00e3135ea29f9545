"""The argument parser of every command, and the options that several share."""

from __future__ import annotations

import argparse
from typing import Any, NoReturn

from projgan.config.shapes import CHANNELS
from projgan.errors import UsageError


class ShortParser(argparse.ArgumentParser):
    """An argparse parser whose errors are ours: short, and with exit code 2.

    Args:
        command: its name.
        summary: what it does.
        examples: command lines that work, shown below the options.
    """

    def __init__(self, command: str, summary: str, examples: tuple[str, ...]) -> None:
        super().__init__(
            prog=f"projgan {command}",
            description=f"{summary[0].upper()}{summary[1:]}.",
            epilog="examples:\n  " + "\n  ".join(examples),
            formatter_class=argparse.RawDescriptionHelpFormatter,
            allow_abbrev=False,
        )

    def error(self, message: str) -> NoReturn:
        """Raise instead of printing the whole usage."""
        raise UsageError(message, next_command=f"{self.prog} --help")


def add_out(
    parser: argparse.ArgumentParser,
    default: str,
    what: str,
    *,
    overwrite: str = "move an existing one aside",
) -> None:
    """`--out` and `--overwrite`."""
    parser.add_argument("--out", metavar="PATH", help=f"{what} (default: {default})")
    parser.add_argument("--overwrite", action="store_true", help=overwrite)


def add_machine(parser: argparse.ArgumentParser) -> None:
    """`--threads` and `--device`."""
    parser.add_argument("--threads", metavar="N", help="CPU threads (default: all cores)")
    add_device(parser)


def add_set(parser: argparse.ArgumentParser) -> None:
    """`--set`."""
    parser.add_argument(
        "--set",
        dest="settings",
        action="append",
        default=[],
        metavar="SECTION.FIELD=VALUE",
        help="any setting; projgan presets NAME lists them",
    )


def add_precision(parser: argparse.ArgumentParser) -> None:
    """`--precision`."""
    parser.add_argument(
        "--precision", metavar="NAME", help="fp32, bf16, or auto: bf16 where it is fast"
    )


def add_device(parser: argparse.ArgumentParser) -> None:
    """`--device`."""
    parser.add_argument("--device", help="auto, cpu, cuda, cuda:N or mps")


def add_class(parser: argparse.ArgumentParser, what: str) -> None:
    """`--class`, which the program calls `classes`."""
    parser.add_argument("--class", dest="classes", metavar="CLASS", help=what)


def add_allow_code(parser: argparse.ArgumentParser) -> None:
    """`--allow-code`."""
    parser.add_argument(
        "--allow-code",
        action="store_true",
        help="run the module of a generator from outside projgan; only if you trust it",
    )


def add_truncation(parser: argparse.ArgumentParser) -> None:
    """`--truncation-psi` and `--truncation-cutoff`."""
    parser.add_argument(
        "--truncation-psi",
        type=float,
        metavar="PSI",
        help="less variety, more regular pictures: 0.7, say; 1 is all, 0 the mean (stylegan2)",
    )
    parser.add_argument(
        "--truncation-cutoff",
        type=int,
        metavar="N",
        help="truncate only the first N styles, coarse ones first",
    )


def add_settings(parser: argparse.ArgumentParser) -> None:
    """`--set`, and options for the settings that are used most."""
    parser.add_argument(
        "--images", metavar="N", help="length of the run in images seen, such as 400k"
    )
    parser.add_argument(
        "--minutes", metavar="N", help="length in minutes of training, if that ends first"
    )
    add_machine(parser)
    parser.add_argument(
        "--track",
        metavar="NAME",
        help="also record with tensorboard, wandb, mlflow or aim; several with commas",
    )
    add_set(parser)


def add_health(parser: argparse.ArgumentParser) -> None:
    """What ends a run early, or takes it back."""
    parser.add_argument(
        "--metrics-every", metavar="N", help="images between measurements; 0: measure nothing"
    )
    parser.add_argument(
        "--stop-when-flat",
        metavar="N",
        help="end the run after N measurements without an improvement",
    )
    parser.add_argument(
        "--on-collapse",
        choices=("warn", "rollback", "stop"),
        help="what to do when samples become alike or numbers are not finite (default: warn)",
    )


SHORT_NAMES = {
    "resolution": "data.resolution",
    "mode": "data.mode",
    "fit": "data.fit",
    "background": "data.background",
    "mirror": "data.mirror",
    "dedupe": "data.dedupe",
    "max_bad": "data.max_bad",
    "generator": "generator.name",
    "discriminator": "discriminator.name",
    "conditional": "data.conditional",
    "features": "features.name",
    "features_weights": "features.weights",
    "images": "training.images",
    "minutes": "training.minutes",
    "every": "training.sample_every",
    "batch": "training.batch",
    "seed": "training.seed",
    "device": "training.device",
    "threads": "training.threads",
    "precision": "training.precision",
    "from": "transfer.source",
    "metrics_every": "metrics.every",
    "stop_when_flat": "metrics.stop_when_flat",
    "on_collapse": "health.on_collapse",
    "track": "tracking.trackers",
}
"""Options that stand for a setting."""


BATCH_WORDS = {"auto": {"training.fit_memory": "true"}, "largest": {"training.batch": "0"}}
"""What else `--batch` takes, and the setting that it stands for."""


def settings_of(args: argparse.Namespace) -> dict[str, str]:
    """All settings given as options, `section.field` -> value; `--set` wins over a short name."""
    chosen: dict[str, str] = {}
    for name, key in SHORT_NAMES.items():
        value: Any = getattr(args, name, None)
        if name == "batch" and value in BATCH_WORDS:
            chosen |= BATCH_WORDS[value]
        elif value not in (None, False):
            chosen[key] = "true" if value is True else str(value)
    for assignment in getattr(args, "settings", []):
        key, equals, value = assignment.partition("=")
        if not equals:
            raise UsageError(
                f"{assignment!r} sets nothing",
                where="option --set",
                next_command="--set training.batch=16",
            )
        chosen[key.strip()] = value.strip()
    return chosen


def add_pictures(parser: argparse.ArgumentParser) -> None:
    """What pictures become."""
    parser.add_argument(
        "--resolution",
        metavar="N|WxH",
        help="side in pixels: 32, 64, 128, 256, 512 or 1024; or width and height, multiples of 32, "
        "such as 256x192",
    )
    parser.add_argument(
        "--mode", choices=tuple(CHANNELS), help="colours, grey, or colours and transparency"
    )
    parser.add_argument(
        "--fit",
        choices=("crop", "pad", "squash"),
        help="how a picture of another shape gets this one",
    )
    parser.add_argument(
        "--background",
        metavar="#RRGGBB",
        help="colour under transparency and around padding (not with --mode rgba)",
    )
    parser.add_argument(
        "--dedupe", action="store_true", help="keep one of each group of equal files"
    )
    parser.add_argument(
        "--max-bad", metavar="SHARE", help="share of unusable pictures that is accepted"
    )
