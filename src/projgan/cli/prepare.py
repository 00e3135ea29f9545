"""`projgan prepare`."""

from __future__ import annotations

import argparse
import dataclasses
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_out, add_pictures, settings_of
from projgan.config.load import override
from projgan.config.schema import RunConfig
from projgan.errors import UsageError

EXAMPLES = (
    "projgan prepare photos/ --out photos.zip --resolution 256",
    "projgan prepare logos/ --out logos --resolution 128x96 --mode rgba",
    "projgan prepare photos/ --dry-run",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("data", help="folder or zip; it is only read")
    add_out(
        parser, "none", "a new folder (a prepared set), or a .zip as the StyleGAN tools share it"
    )
    parser.add_argument("--dry-run", action="store_true", help="only say what would be used")
    add_pictures(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Prepare, and say what was used and what was not."""
    from projgan.cli.terminal import Terminal
    from projgan.workflows.prepare import prepare_pictures

    if not args.out and not args.dry_run:
        raise UsageError(
            "where to? --out is missing",
            next_command=f"projgan prepare {args.data} --out {Path(args.data).stem}.zip",
        )
    config = override(RunConfig(), settings_of(args)).data
    result = prepare_pictures(
        dataclasses.replace(config, path=args.data),
        None if args.dry_run else Path(args.out),
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    if not args.json:
        print("\n".join(result.report.sentences(config.mode)))
        if result.num_classes:
            print(f"{result.num_classes} classes")
        print(f"prepared: {result.out}" if result.out else "nothing was written")
    return {
        "out": str(result.out) if result.out else None,
        "fingerprint": result.fingerprint,
        "num_classes": result.num_classes,
        **result.report.as_dict(),
    }
