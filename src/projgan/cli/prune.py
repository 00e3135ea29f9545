"""`projgan prune`."""

from __future__ import annotations

import argparse
import shlex
from pathlib import Path
from typing import Any

from projgan.errors import printable

EXAMPLES = ("projgan prune runs/photos", "projgan prune runs --keep-snapshots 3 --yes")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("path", help="a run, or a folder with runs in it")
    parser.add_argument(
        "--keep-snapshots",
        type=int,
        default=1,
        metavar="N",
        help="newest snapshots that stay, beside the best one (default: 1)",
    )
    parser.add_argument(
        "--keep-checkpoints",
        type=int,
        default=2,
        metavar="N",
        help="newest checkpoints that stay, beside the best one (default: 2, the least)",
    )
    parser.add_argument(
        "--yes", action="store_true", help="remove it; otherwise it is only said what would go"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Say what goes, and with --yes remove it."""
    from projgan.cli.terminal import Terminal
    from projgan.workflows.disk import in_words
    from projgan.workflows.prune import Keep, prune

    keep = Keep(checkpoints=args.keep_checkpoints, snapshots=args.keep_snapshots)
    done = prune(Path(args.path), keep, remove=args.yes, watch=Terminal())
    total = sum(one.num_bytes for one in done)
    if not args.json:
        for one in done:
            going = [*one.leftovers, *one.folders]
            if not (going or one.notes or one.busy):
                continue
            print(f"{printable(str(one.run))}: {in_words(one.num_bytes)}")
            for folder in going:
                print(f"  {printable(str(folder.relative_to(one.run)))}")
            for note in [*one.notes, *([f"left alone: {one.busy}"] if one.busy else [])]:
                print(f"  ({printable(note)})")
        if args.yes:
            print(f"removed {in_words(total)}")
        else:
            print(f"{in_words(total)} would be removed; nothing was")
            if total:
                print(f"next: {_again(args)}")
    return {
        "removed": args.yes,
        "bytes": total,
        "runs": [
            {
                "run": str(one.run),
                "bytes": one.num_bytes,
                "paths": [str(path) for path in (*one.leftovers, *one.folders)],
                "notes": one.notes,
                "busy": one.busy,
            }
            for one in done
        ],
    }


def _again(args: argparse.Namespace) -> str:
    words = ["projgan", "prune", args.path]
    if args.keep_snapshots != 1:
        words += ["--keep-snapshots", str(args.keep_snapshots)]
    if args.keep_checkpoints != 2:
        words += ["--keep-checkpoints", str(args.keep_checkpoints)]
    return shlex.join([*words, "--yes"])
