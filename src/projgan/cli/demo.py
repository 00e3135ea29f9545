"""`projgan demo`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_out, add_settings, settings_of

EXAMPLES = ("projgan demo", "projgan demo --out /tmp/demo --count 200 --images 4k")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    add_out(parser, "demo", "folder of everything that the demo makes")
    parser.add_argument(
        "--count", type=int, default=600, metavar="N", help="pictures to draw (default: 600)"
    )
    add_settings(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Run the demo and list what it made."""
    from projgan.cli.terminal import Terminal
    from projgan.workflows.demo import demo

    result = demo(
        Path(args.out or "demo"),
        count=args.count,
        options=settings_of(args),
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    ratio = result.distance_first / max(result.distance_last, 1e-9)
    if not args.json:
        print(f"pictures  {result.pictures}")
        print(f"samples   {result.grid}")
        print(f"film      {result.film}")
        print(f"chart     {result.chart}")
        print(
            f"fd-lite1  {result.distance_first:.1f} at the first grid, "
            f"{result.distance_last:.1f} at the last: {ratio:.1f} times closer"
        )
    return {
        "grid": str(result.grid),
        "film": str(result.film),
        "chart": str(result.chart),
        "fd_lite1_first": result.distance_first,
        "fd_lite1_last": result.distance_last,
        "ratio": round(ratio, 2),
        "images_per_s": round(result.train.images_per_s, 3),
    }
