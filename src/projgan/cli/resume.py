"""`projgan resume`."""

from __future__ import annotations

import argparse
from typing import Any

from projgan.cli.arguments import add_allow_code, add_health, add_settings, settings_of
from projgan.cli.launching import add_launch, launched
from projgan.cli.train import finish
from projgan.processes import is_follower

EXAMPLES = (
    "projgan resume runs/photos",
    "projgan resume runs/photos --images 800k",
    "projgan resume runs/photos --launch 4",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("run", help="the run folder")
    parser.add_argument(
        "--accept-data-change",
        action="store_true",
        help="go on although pictures were added, removed or changed; the history says so",
    )
    add_settings(parser)
    add_health(parser)
    add_allow_code(parser)
    add_launch(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Resume, and say where the result lies."""
    from projgan.rundir import RunDir

    if not is_follower():  # the main one of several holds the run
        RunDir(args.run).refuse_if_held()  # before seconds go into loading what trains
    if (ended := launched(args)) is not None:
        return ended
    from projgan.cli.terminal import Terminal
    from projgan.workflows.train import resume

    result = resume(
        args.run,
        options=settings_of(args),
        accept_data_change=args.accept_data_change,
        allow_code=args.allow_code,
        watch=Terminal(),
    )
    return finish(result, as_json=args.json)
