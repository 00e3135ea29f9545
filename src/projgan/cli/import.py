"""`projgan import`.

The word cannot stand in an import statement; `main` loads commands by name.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_out

EXAMPLES = (
    "projgan import network-snapshot.pkl --out snapshots/theirs",
    "projgan import best_model.pkl --json",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "file",
        help="an official Projected GAN checkpoint, or a StyleGAN2 one of the same form (.pkl); it "
        "is read without running anything in it",
    )
    add_out(
        parser,
        "the name of the file without .pkl",
        "a new snapshot folder",
        overwrite="replace a snapshot that exists",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Import, and say what it is and how to use it."""
    from projgan.errors import printable
    from projgan.workflows.official import LICENCE, import_official

    file = Path(args.file)
    out = (
        Path(args.out) if args.out else Path(file.stem if file.suffix else f"{file.name}-snapshot")
    )
    result = import_official(file, out, overwrite=args.overwrite)
    facts = result.as_dict()
    if not args.json:
        data = result.snapshot.config.data
        classes = f", {len(data.classes)} classes" if data.classes else ""
        print(f"{facts['generator']} of width {facts['width']}, {data.description}{classes}")
        print(printable(f"snapshot: {out}"))
        print(f"note: {LICENCE}")
        print(printable(f"next: projgan sample {out} --seeds 0-35 --grid"))
    return facts
