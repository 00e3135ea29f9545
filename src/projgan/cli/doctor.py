"""`projgan doctor`."""

from __future__ import annotations

import argparse
import math
import shutil
import textwrap
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_device, add_out
from projgan.errors import UsageError, printable

EXAMPLES = (
    "projgan doctor",
    "projgan doctor photos/ --hours 8",
    "projgan doctor runs/photos",
)
_WIDTH_MOST = 110


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "path",
        nargs="?",
        help="pictures (folder, zip or prepared set) or a run; without it, the machine",
    )
    add_out(parser, "doctor-NAME", "folder for pictures that show the set")
    parser.add_argument("--dry-run", action="store_true", help="write no pictures")
    parser.add_argument(
        "--look",
        type=int,
        default=1_000,
        metavar="N",
        help="pictures that lite1 looks at, evenly spaced, for outliers and --mirror (default: "
        "1000; 0: none)",
    )
    parser.add_argument(
        "--seconds",
        type=float,
        default=30.0,
        metavar="S",
        help="how long to time real steps of training (default: 30; 0: no timing)",
    )
    parser.add_argument(
        "--hours",
        type=float,
        default=24.0,
        metavar="H",
        help="how long the suggested run may take (default: 24)",
    )
    parser.add_argument("--threads", metavar="N", help="CPU threads (default: all cores)")
    add_device(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Examine, and say what was found."""
    for name, value in (("look", args.look), ("seconds", args.seconds), ("hours", args.hours)):
        if not (math.isfinite(value) and value >= 0):
            raise UsageError("must be a number from 0 on", where=f"option --{name}")
    from projgan.cli.terminal import Terminal
    from projgan.workflows.doctor.examine import examine, is_run
    from projgan.workflows.doctor.suggestion import Effort
    from projgan.workflows.train import run_name

    settings = {
        f"training.{name}": value
        for name in ("device", "threads")
        if (value := getattr(args, name)) is not None
    }
    shows = args.path and not args.dry_run and not is_run(Path(args.path))
    if args.out and not shows:
        raise UsageError("--out is for the pictures of a set", next_command="leave it out")
    out = Path(args.out or f"doctor-{run_name(args.path)}") if shows else None
    diagnosis = examine(
        args.path,
        out=out,
        overwrite=args.overwrite,
        effort=Effort(args.look, args.seconds, args.hours, settings),
        watch=Terminal(),
    )
    result = diagnosis.as_dict()
    if not args.json:
        _print(diagnosis.rows, result)
    return result


def _print(rows: list[tuple[str, str]], result: dict[str, Any]) -> None:
    """Rows with their labels in a column, findings, and the command."""
    column = max(len(label) for label, _ in rows) + 2
    width = max(60, min(shutil.get_terminal_size((100, 24)).columns, _WIDTH_MOST))
    wrap = textwrap.TextWrapper(
        width, subsequent_indent=" " * column, break_on_hyphens=False, break_long_words=False
    )
    previous = ""
    for label, text in rows:
        shown = "" if label == previous else label
        print(wrap.fill(f"{shown:<{column}}{printable(text)}"))
        previous = label
    for heading, key in (("PROBLEM", "problems"), ("advice", "advice")):
        for text in result[key]:
            print(wrap.fill(f"{heading:<{column}}{printable(text)}"))
    if result["next"]:
        print(f"{'next':<{column}}{printable(result['next'])}")
