"""`projgan COMMAND ...`: runs a command, and turns faults into messages and exit codes.

Commands are imported when they are called, so that `projgan --help` answers at once.
"""

from __future__ import annotations

import errno
import importlib
import json
import os
import sys
import tempfile
import traceback
from collections.abc import Sequence
from typing import Any

from projgan import __version__
from projgan.cli.arguments import ShortParser
from projgan.cli.launching import silence_followers
from projgan.errors import (
    ProjganError,
    ResourceError,
    ToldElsewhere,
    choose_from,
    first_line,
    is_device_lost,
    is_out_of_memory,
)

COMMANDS = {
    "demo": "draw pictures, train on them for a few minutes, show samples, a film and a chart",
    "train": "train a generator on a folder or zip of pictures",
    "resume": "go on with a run that was stopped, exactly",
    "sample": "make pictures with a trained generator",
    "interpolate": "make a looping film through the latents of some seeds",
    "evaluate": "say how good samples are: distances, precision, recall, diversity",
    "runs": "list run folders: state, images, best figure, size",
    "prune": "say what old checkpoints and snapshots take, and remove them with --yes",
    "report": "write the page of a run: samples over time, chart, figures, settings, commands",
    "compare": "train several ways on the same pictures: who gets closer, and how soon",
    "nearest": "find the training picture nearest to each sample, and say whether it is a copy",
    "prepare": "turn pictures into a prepared set or a zip, and say what was left out",
    "doctor": "look at a set of pictures, a run or the machine: what is wrong, what to do next",
    "bench": "measure what a step of training costs here, by part and against another way",
    "presets": "list the presets, or show all settings of one",
    "import": "turn an official checkpoint (.pkl) into a snapshot, without running what is in it",
    "features": "list the feature networks; show, measure or fetch one",
}


def main(argv: Sequence[str] | None = None) -> None:
    """Entry point of the console script; exits with the documented code."""
    sys.exit(run(list(sys.argv[1:] if argv is None else argv)))


def run(argv: list[str]) -> int:
    """Run one command line and return its exit code."""
    try:
        return _dispatch(argv)
    except BrokenPipeError:
        # The reader of our output has gone, which is no fault of the work; keep Python's exit
        # quiet.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        print("stopped by Ctrl-C; files that were not finished are gone", file=sys.stderr)
        return 130
    except Exception as error:
        if "--debug" in argv:
            raise
        return _report(as_our_error(error), as_json="--json" in argv, cause=error)


def _dispatch(argv: list[str]) -> int:
    if not argv or argv[0] in ("-h", "--help", "help"):
        print(_help())
        return 0
    if argv[0] in ("-V", "--version"):
        print(f"projgan {__version__}")
        return 0
    name = argv[0]
    if name not in COMMANDS:
        raise choose_from("command", name, tuple(COMMANDS))
    command = importlib.import_module(f"projgan.cli.{name}")
    args = parser_of(name, command).parse_args(argv[1:])
    args.argv = argv
    silence_followers()
    result = command.run(args)
    if args.json and not result.pop("is_told", False):
        print(json.dumps(result))
    return int(result.get("exit_code", 0))


def parser_of(name: str, command: Any) -> ShortParser:
    """The options of a command, and those that all have.

    command: its module.
    """
    parser = ShortParser(name, COMMANDS[name], command.EXAMPLES)
    command.add_arguments(parser)
    parser.add_argument(
        "--json", action="store_true", help="print the result, or the error, as JSON"
    )
    parser.add_argument("--debug", action="store_true", help="show the traceback of an error")
    return parser


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {summary}" for name, summary in COMMANDS.items()]
    return "\n".join(
        [
            "projgan: train an image generator from a folder of pictures",
            "",
            "usage: projgan COMMAND ...        (projgan COMMAND --help shows its options)",
            "",
            *lines,
            "",
            "first:  projgan demo",
            "then:   projgan train FOLDER --preset few-shot-256",
        ]
    )


def as_our_error(error: Exception) -> ProjganError | None:
    """`error` as a fault that its user can act on, or None if it is a bug of ours."""
    if isinstance(error, ProjganError):
        return error
    if is_out_of_memory(error):
        return ResourceError(
            "the memory of the device is not enough",
            safe="the last checkpoint, if there is one, is intact",
            next_command="halve what is held at once: --set training.micro_batch=HALF_THE_BATCH",
        )
    if is_device_lost(error):
        return ResourceError(
            f"the device failed: {first_line(error)}",
            safe="everything saved before is intact",
            next_command="look at it with projgan doctor, or take another: --device cpu",
        )
    if isinstance(error, OSError) and error.errno in _RESOURCE_ERRORS:
        return ResourceError(
            f"{error.strerror}",
            where=str(error.filename or ""),
            safe="everything saved before is intact",
        )
    # Loaded if anything was built, and then it knows whose code was called.
    plugin = sys.modules.get("projgan.generators.plugin")
    return plugin.blame(error) if plugin is not None else None


_RESOURCE_ERRORS = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EIO,
    errno.EROFS,
    errno.EACCES,
    errno.EPERM,
    errno.EMFILE,
    errno.ENOMEM,
    errno.EFBIG,
)


def _report(ours: ProjganError | None, *, as_json: bool, cause: Exception) -> int:
    fields: dict[str, Any]
    if ours is None:
        with tempfile.NamedTemporaryFile(
            "w", prefix="projgan-report-", suffix=".txt", delete=False, encoding="utf-8"
        ) as file:
            file.write("".join(traceback.format_exception(cause)))
        text = str(cause).splitlines()
        ours = ProjganError(
            f"a bug in projgan: {type(cause).__name__}: {text[0] if text else 'no message'}",
            where=f"the traceback is in {file.name}",
            safe="checkpoints and snapshots on disk are intact",
            next_command="run it again with --debug, and report the bug with that file",
        )
    if isinstance(ours, ToldElsewhere):
        return ours.exit_code
    fields = ours.as_dict()
    if as_json:
        print(json.dumps(fields))
    else:
        print("\n".join(ours.lines()), file=sys.stderr)
    return ours.exit_code
