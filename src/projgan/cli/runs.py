"""`projgan runs`."""

from __future__ import annotations

import argparse
import datetime
from pathlib import Path
from typing import Any

from projgan.errors import printable

EXAMPLES = ("projgan runs", "projgan runs runs/photos")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "folder",
        nargs="?",
        default="runs",
        help="a folder with runs in it, or one run (default: runs); it is only read",
    )


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Print a line for each run."""
    from projgan.workflows.disk import in_words
    from projgan.workflows.listing import RunLine, list_runs

    def cells(line: RunLine) -> tuple[str, ...]:
        images = f"{line.images_seen:,}" + (f" of {line.images:,}" if line.images else "")
        best = "-" if line.best is None else f"{line.judge} {line.best:.4g}"
        return (
            printable(str(line.path)),
            line.state,
            images,
            best,
            in_words(line.num_bytes),
            _moment(line.changed).strftime("%Y-%m-%d %H:%M") if line.changed else "-",
            printable(line.about),
        )

    lines = list_runs(Path(args.folder))
    total = sum(line.num_bytes for line in lines)
    if not args.json:
        if lines:
            _print_table([_HEAD, *map(cells, lines)])
        print(f"{len(lines)} run(s) in {args.folder}, {in_words(total)}")
    return {"runs": [_as_dict(line) for line in lines], "bytes": total}


_HEAD = ("run", "state", "images", "best", "size", "last change", "")


def _as_dict(line: Any) -> dict[str, Any]:
    return {
        "run": str(line.path),
        "state": line.state,
        "about": line.about,
        "images_seen": line.images_seen,
        "images": line.images,
        "judge": line.judge,
        "best": line.best,
        "bytes": line.num_bytes,
        "changed": _moment(line.changed).isoformat(timespec="seconds") if line.changed else None,
    }


def _moment(seconds: float) -> datetime.datetime:
    """In the time zone of this machine."""
    return datetime.datetime.fromtimestamp(seconds).astimezone()


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    for row in rows:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(padded).rstrip())
