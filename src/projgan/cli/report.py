"""`projgan report`."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from projgan.cli.arguments import add_out

EXAMPLES = (
    "projgan report runs/photos",
    "projgan report runs/photos --out photos.html --open",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run", help="the run folder; a run that is going on can be read too")
    add_out(parser, "report.html in the run folder", "the page", overwrite="replace another page")
    parser.add_argument(
        "--open", action="store_true", help="show it in the browser of this machine"
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Write the page, and say where it lies."""
    from projgan.workflows.report import report

    made = report(args.run, out=Path(args.out) if args.out else None, overwrite=args.overwrite)
    opened = args.open and _show(made.path)
    if not args.json:
        print(
            f"report: {made.path} ({made.num_bytes / 1e6:.1f} MB, {made.grids} of "
            f"{made.num_grids} sample grids)"
        )
        if args.open and not opened:
            print("no browser was found here; open the file by hand")
    return {
        "report": str(made.path),
        "bytes": made.num_bytes,
        "grids": made.grids,
        "grids_in_run": made.num_grids,
        "opened": bool(opened),
    }


def _show(page: Path) -> bool:
    import webbrowser

    return webbrowser.open(page.resolve().as_uri())
