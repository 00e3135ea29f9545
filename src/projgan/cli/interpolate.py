"""`projgan interpolate`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import (
    add_allow_code,
    add_class,
    add_device,
    add_out,
    add_truncation,
)

EXAMPLES = (
    "projgan interpolate runs/photos --out walk.gif",
    "projgan interpolate runs/photos --seeds 0-35 --columns 3 --rows 3 --out walk.webp",
    "projgan interpolate runs/photos --class rose,tulip --columns 2",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("source", help="a run folder (its newest snapshot) or a snapshot folder")
    parser.add_argument("--seeds", help="the stops of the walk (default: four for every cell)")
    parser.add_argument(
        "--frames", type=int, default=120, metavar="N", help="of the whole loop (default: 120)"
    )
    parser.add_argument(
        "--fps", type=int, default=24, metavar="N", help="frames a second (default: 24)"
    )
    parser.add_argument("--columns", type=int, default=1, metavar="N", help="walks side by side")
    parser.add_argument("--rows", type=int, default=1, metavar="N", help="walks above each other")
    add_class(
        parser,
        "of a conditional run: one class for all cells, or several with commas, which the cells "
        "have in turn (default: all classes in turn)",
    )
    add_truncation(parser)
    add_out(
        parser,
        "walk.gif",
        "the film: .gif, .webp, or .mp4 with the video extra",
        overwrite="replace what exists",
    )
    add_device(parser)
    add_allow_code(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make the film and say where it is."""
    from projgan.cli.terminal import Terminal
    from projgan.errors import UsageError
    from projgan.sampling.seeds import parse_seeds
    from projgan.workflows.use import interpolate

    for name in ("frames", "fps", "columns", "rows"):
        if getattr(args, name) < 1:
            raise UsageError("must be at least 1", where=f"option --{name}")
    seeds = args.seeds or f"0-{4 * args.columns * args.rows - 1}"
    out = interpolate(
        args.source,
        seeds=parse_seeds(seeds),
        out=Path(args.out or "walk.gif"),
        frames=args.frames,
        fps=args.fps,
        columns=args.columns,
        rows=args.rows,
        classes=args.classes,
        truncation_psi=args.truncation_psi,
        truncation_cutoff=args.truncation_cutoff,
        device=args.device or "auto",
        allow_code=args.allow_code,
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    if not args.json:
        print(f"film: {out}")
    return {"film": str(out)}
