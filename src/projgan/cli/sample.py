"""`projgan sample`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_device, add_out

EXAMPLES = (
    "projgan sample runs/photos --seeds 0-63 --grid",
    "projgan sample runs/photos/snapshots/000050000 --seeds 7,12,100-119 --out picks",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("source", help="a run folder (its newest snapshot) or a snapshot folder")
    parser.add_argument(
        "--seeds", default="0-35", help="such as 0-63 or 7,12,100-119 (default: 0-35)"
    )
    parser.add_argument("--grid", action="store_true", help="one grid instead of a file a seed")
    parser.add_argument(
        "--columns", type=int, metavar="N", help="of the grid (default: nearly square)"
    )
    add_out(
        parser,
        "samples, or samples.png for a grid",
        "folder of PNG files, or PNG file of the grid",
        overwrite="replace what exists",
    )
    add_device(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make the pictures and say where they are."""
    from projgan.cli.terminal import Terminal
    from projgan.sampling.seeds import parse_seeds
    from projgan.workflows.use import sample

    out = Path(args.out or ("samples.png" if args.grid else "samples"))
    files = sample(
        args.source,
        seeds=parse_seeds(args.seeds),
        out=out,
        as_grid=args.grid,
        columns=args.columns,
        device=args.device or "auto",
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    if not args.json:
        print(f"{len(files)} file(s): {out}")
    return {"files": [str(file) for file in files]}
