"""`projgan bench`."""

from __future__ import annotations

import argparse
import shlex
import sys
from pathlib import Path
from typing import Any

from projgan.cli.arguments import (
    add_allow_code,
    add_machine,
    add_out,
    add_pictures,
    add_precision,
    add_set,
    settings_of,
)
from projgan.config.presets import DEFAULT_PRESET, PRESETS
from projgan.errors import printable

EXAMPLES = (
    "projgan bench",
    "projgan bench --preset few-shot-64 --batch 4 --against reference-step --out bench",
    "projgan bench --preset few-shot-64 --against training.precision=fp32 --only step",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "data", nargs="?", default="", help="folder, zip or prepared set; noise without it"
    )
    parser.add_argument("--preset", help=f"{', '.join(PRESETS)} (default: {DEFAULT_PRESET})")
    parser.add_argument(
        "--config", metavar="FILE", help="YAML or JSON with settings, over the preset"
    )
    parser.add_argument(
        "--against",
        default="",
        metavar="WAY",
        help="also measure, in turns, reference-step or other settings: "
        "SECTION.FIELD=VALUE, several with commas",
    )
    parser.add_argument(
        "--repeats", type=int, default=5, metavar="N", help="steps that count (default: 5)"
    )
    parser.add_argument(
        "--warm-up", type=int, default=1, metavar="N", help="steps before them (default: 1)"
    )
    parser.add_argument(
        "--only",
        metavar="NAMES",
        help="step, and what else of parts, memory, work, sampling, evaluation, data; with commas "
        "(default: all)",
    )
    parser.add_argument(
        "--cpu-time",
        action="store_true",
        help="count the processor's time: for one thread on a CPU that others use as well",
    )
    add_out(parser, "nothing is written", "folder for bench.json and bench.png")
    add_pictures(parser)
    parser.add_argument("--generator", metavar="NAME", help="fastgan-lite, fastgan or stylegan2")
    parser.add_argument("--discriminator", metavar="NAME", help="projected, fastgan or stylegan2")
    parser.add_argument(
        "--features", metavar="NAME", help="feature network, or several with commas"
    )
    parser.add_argument("--batch", metavar="N", help="images of one step")
    add_precision(parser)
    add_machine(parser)
    add_set(parser)
    add_allow_code(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Measure, and print the figures."""
    from projgan.cli.terminal import Terminal
    from projgan.workflows.bench.benchmark import (
        BESIDES,
        Effort,
        benchmark,
        refuse_benchmark,
        write_benchmark,
    )
    from projgan.workflows.bench.words import lines, table

    besides = BESIDES
    if args.only is not None:
        besides = tuple(name for name in args.only.split(",") if name != "step")
    effort = Effort(args.repeats, args.warm_up, besides, args.cpu_time)
    if args.out:
        refuse_benchmark(Path(args.out), overwrite=args.overwrite)
    facts = {"command": f"projgan {shlex.join(sys.argv[1:])}"} | benchmark(
        args.data,
        preset=args.preset or "",
        config_file=Path(args.config) if args.config else None,
        options=settings_of(args),
        against=args.against,
        effort=effort,
        allow_code=args.allow_code,
        watch=Terminal(),
    )
    if args.out:
        write_benchmark(facts, Path(args.out), overwrite=args.overwrite)
    if not args.json:
        for label, text in lines(facts):
            print(f"{label:<9}{printable(text)}")
        for row in table(facts):
            print(row)
        if args.out:
            print(f"look at  {args.out}")
    return facts
