"""`projgan nearest`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_allow_code, add_device, add_out

EXAMPLES = (
    "projgan nearest runs/photos",
    "projgan nearest samples/ --data photos/ --out pairs.png",
    "projgan nearest runs/photos/snapshots/000050000 --seeds 0-35 --out pairs.png",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "source",
        help="a run folder (its newest snapshot), a snapshot folder, or a folder or zip of samples",
    )
    parser.add_argument(
        "--data", metavar="PATH", help="the training pictures (default: those of the run)"
    )
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help="how many are looked at (default: 100 of a generator, all of a folder)",
    )
    parser.add_argument("--seeds", help="of the samples, such as 0-63 or 7,12,100-119")
    parser.add_argument(
        "--shown", type=int, default=24, metavar="N", help="pairs in the picture (default: 24)"
    )
    add_out(
        parser,
        "nearest.png in the run folder, pairs.png for anything else",
        "picture of the closest pairs, and the result beside it as .json",
        overwrite="replace what exists",
    )
    add_device(parser)
    add_allow_code(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Look for copies, and say how many there are."""
    from projgan.cli.terminal import Terminal
    from projgan.errors import UsageError, printable
    from projgan.sampling.seeds import parse_seeds
    from projgan.workflows.nearest import find_nearest, in_words

    if args.shown < 1:
        raise UsageError("must be at least 1", where="option --shown")
    result = find_nearest(
        args.source,
        out=Path(args.out) if args.out else None,
        data=args.data,
        seeds=None if args.seeds is None else parse_seeds(args.seeds),
        samples=args.samples,
        shown=args.shown,
        device=args.device or "auto",
        allow_code=args.allow_code,
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    if not args.json:
        print(in_words(result))
        for name, score in result.scores.items():
            print(f"by {name}: {score:.1%} closer than {result.thresholds[name]:.2f}")
        if result.doubles:
            print(f"{result.doubles} training pictures repeat another one")
        for pair in result.pairs[:5]:
            near = min(
                (pair.lite1, pair.thumbnails), key=lambda near: near.closeness / near.threshold
            )
            line = f"{pair.sample}: {near.closeness:.2f} from {near.picture}"
            print(printable(line) + (" (a copy)" if pair.is_copy else ""))
        print(f"pairs: {result.out}")
    return result.as_dict()
