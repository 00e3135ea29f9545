"""Options of commands that several processes can carry out together."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from typing import Any

from projgan.errors import UsageError
from projgan.processes import is_follower

_OPTIONS = ("--launch", "--machines", "--machine", "--meet")


def add_launch(parser: argparse.ArgumentParser) -> None:
    """`--launch`, and what several machines need."""
    parser.add_argument(
        "--launch", type=int, metavar="N", help="train with N processes, one a GPU or CPU socket"
    )
    parser.add_argument(
        "--machines", type=int, default=1, metavar="N", help="machines that run this command"
    )
    parser.add_argument(
        "--machine", type=int, default=0, metavar="I", help="which of them this is, from 0"
    )
    parser.add_argument(
        "--meet", default="", metavar="HOST:PORT", help="of machine 0, where all find each other"
    )


def launched(args: argparse.Namespace) -> dict[str, Any] | None:
    """What came of the processes that `args` asks for; None if it asks for none."""
    if args.launch is None:
        if args.machines != 1 or args.machine or args.meet:
            raise UsageError(
                "machines are for several processes",
                where="options --machines, --machine, --meet",
                next_command="add --launch N: processes on this machine",
            )
        return None
    from projgan.workflows.launch import Crew, launch

    crew = Crew(args.launch, args.machines, args.machine, args.meet)
    return {"exit_code": launch(crew, without_launch(args.argv)), "is_told": True}


def without_launch(argv: Sequence[str]) -> list[str]:
    """The command line of each process."""
    kept: list[str] = []
    words = iter(argv)
    for word in words:
        if word in _OPTIONS:
            next(words, None)
        elif word.partition("=")[0] not in _OPTIONS:
            kept.append(word)
    return kept


def silence_followers() -> None:
    """Of several processes only the first prints results."""
    if is_follower():
        sys.stdout = open(os.devnull, "w", encoding="utf-8")  # noqa: SIM115 - to the end
