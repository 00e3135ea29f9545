"""`projgan compare`."""

from __future__ import annotations

import argparse
import json
import shlex
import sys
from typing import TYPE_CHECKING, Any

from projgan.cli.arguments import add_out, add_pictures, add_settings, settings_of
from projgan.config.presets import DEFAULT_PRESET
from projgan.errors import StoppedBySignal

if TYPE_CHECKING:
    from projgan.workflows.comparison.outcomes import Comparison

EXAMPLES = (
    "projgan compare photos/ --preset few-shot-64 --images 20k",
    "projgan compare photos/ --preset few-shot-64 --minutes 30 --seeds 0-2",
    'projgan compare photos/ --contender projected --contender "wide: generator.width=128"',
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("data", help="folder, zip or prepared set; it is only read")
    parser.add_argument(
        "--preset",
        action="append",
        default=[],
        metavar="NAME",
        help=f"what all contenders are based on (default: {DEFAULT_PRESET}); "
        "given several times, the presets themselves compete",
    )
    parser.add_argument(
        "--contender",
        dest="contenders",
        action="append",
        default=[],
        metavar="NAME[: PRESET, SECTION.FIELD=VALUE, ...]",
        help="who competes; a name alone is a built-in contender or a preset",
    )
    parser.add_argument(
        "--seeds", default="0,1", help="each contender runs once with each (default: 0,1)"
    )
    parser.add_argument(
        "--every", metavar="N", help="images between measurements (default: a twentieth)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        default=1_000,
        metavar="N",
        help="samples that a distance is measured with (default: 1000)",
    )
    add_out(parser, "compare/NAME_OF_DATA", "folder of everything that comes of it")
    add_pictures(parser)
    parser.add_argument("--mirror", action="store_true", help="also show every picture mirrored")
    add_settings(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Compare, and print the tables."""
    from projgan.cli.terminal import Terminal
    from projgan.sampling.seeds import parse_seeds
    from projgan.workflows.compare import compare

    try:
        comparison = compare(
            args.data,
            presets=args.preset,
            contenders=args.contenders,
            seeds=parse_seeds(args.seeds),
            samples=args.samples,
            options=settings_of(args),
            out=args.out,
            overwrite=args.overwrite,
            watch=Terminal(),
        )
    except StoppedBySignal as stopped:
        stopped.next_command = f"projgan {shlex.join(sys.argv[1:])}    (goes on from here)"
        raise
    if not args.json:
        _print(comparison)
    return dict(json.loads(comparison.json.read_text(encoding="utf-8")))


def _print(comparison: Comparison) -> None:
    from projgan.workflows.comparison import report

    assert comparison.measure is not None, "a finished comparison without a measurement"
    print(comparison.measure.title)
    print("\n".join(report.as_text(report.results(comparison))))
    equals = comparison.equal_distances()
    if equals:
        print(f"\n{report.equal_title(equals[0], comparison)}:")
        print("\n".join(report.as_text(report.equal_rows(equals[0]))))
    print()
    print("\n".join(report.equal_sentences(comparison) + report.stall_sentences(comparison)))
    print(f"\nlook at:  {comparison.chart}, {comparison.samples}")
