"""`projgan evaluate`."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from projgan.cli.arguments import add_allow_code, add_device, add_out
from projgan.errors import UsageError

if TYPE_CHECKING:
    from projgan.evaluation.figures import Figure
    from projgan.workflows.evaluate import Evaluation

EXAMPLES = (
    "projgan evaluate runs/photos",
    "projgan evaluate runs/photos/snapshots/000050000 --data photos/ --samples 2000",
    "projgan evaluate samples/ --data photos/ --metrics kid,precision,recall",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument(
        "source", help="a run (its newest snapshot), a snapshot, or a folder or zip of pictures"
    )
    parser.add_argument(
        "--data",
        default="",
        metavar="PICTURES",
        help="the reals: folder, zip or prepared set (default: what the run was trained on)",
    )
    parser.add_argument(
        "--extractor",
        dest="extractors",
        action="append",
        metavar="NAME",
        help="what to look through; may be repeated: lite1 (default), lite0, dinov2, "
        "dinov2-small, clip, or inception for the standard FID",
    )
    parser.add_argument(
        "--weights",
        action="append",
        default=[],
        metavar="NAME=FILE",
        help="a file with the weights of an extractor",
    )
    parser.add_argument(
        "--download", action="store_true", help="fetch weights that are not on this machine"
    )
    parser.add_argument(
        "--metrics",
        metavar="LIST",
        help="of kid, fd, precision, recall, density, coverage, diversity, is, ppl; or all "
        "(default: all but ppl)",
    )
    parser.add_argument(
        "--samples",
        type=int,
        metavar="N",
        help="how many fakes (default: as many as reals, from 1,000 to 10,000; of pictures, all)",
    )
    parser.add_argument(
        "--resolution",
        metavar="N|WxH",
        help="at which pictures are compared with pictures (default: that of the fakes)",
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="of the first sample, and of subsets (default: 0)"
    )
    parser.add_argument("--threads", type=int, metavar="N", help="CPU threads (default: all cores)")
    add_out(
        parser,
        "evaluation.json in the run, NAME.evaluation.json beside a snapshot; none for pictures",
        "a JSON file with everything",
        overwrite="replace what --out names",
    )
    add_device(parser)
    add_allow_code(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Evaluate, and print the table."""
    if args.overwrite and not args.out:
        raise UsageError("has no effect without --out", where="option --overwrite")

    from projgan.cli.terminal import Terminal
    from projgan.workflows.evaluate import evaluate

    result = evaluate(
        args.source,
        data=args.data,
        extractors=args.extractors or ("lite1",),
        weights=_weights(args.weights),
        download=args.download,
        metrics=None if args.metrics is None else _words(args.metrics),
        samples=args.samples,
        resolution=args.resolution or "",
        seed=args.seed,
        device=args.device or "auto",
        threads=args.threads,
        allow_code=args.allow_code,
        out=args.out,
        overwrite=args.overwrite,
        watch=Terminal(),
    )
    if not args.json:
        print("\n".join(table(result)))
    return result.as_dict() | {"out": str(result.out) if result.out else None}


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _weights(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, equals, file = pair.partition("=")
        if not equals or not file:
            raise UsageError(
                f"{pair!r} names no file",
                where="option --weights",
                next_command="--weights dinov2=FILE.safetensors",
            )
        found[name] = file
    return found


def table(result: Evaluation) -> list[str]:
    """The result in lines: what was compared, then every figure with its meaning below."""
    seen = "" if result.images_seen is None else f" after {result.images_seen:,} images"
    lines = [
        f"{result.source}{seen}, against {result.reals} ({result.pictures})",
        *(note[0].upper() + note[1:] + "." for note in result.notes),
    ]
    for look in result.looks:
        lines += [
            "",
            f"{look.description}; {result.num_reals:,} reals, {result.num_fakes:,} fakes",
            f"  {'':<24}{'figure':>10}   {'95 % interval':<20}{'reals':>10}",
        ]
        for figure in look.figures:
            lines += _rows(figure, is_judge=figure.name == result.judge)
    from projgan.evaluation.meaning import FLOOR

    lines += ["", FLOOR]
    if result.out:
        lines.append(f"written: {result.out}")
    return lines


def _rows(figure: Figure, *, is_judge: bool) -> list[str]:
    from projgan.evaluation.meaning import meaning

    name = f"{'*' if is_judge else ' '} {figure.name}"
    if figure.value is None:
        return [f"{name:<26}{'-':>10}", f"      {meaning(figure)}"]
    between = ""
    if figure.interval is not None:
        between = f"{_number(figure.interval[0])} to {_number(figure.interval[1])}"
    elif figure.spread is not None:
        between = f"(+- {_number(figure.spread)})"
    floor = "" if figure.floor is None else _number(figure.floor)
    head = f"{name:<26}{_number(figure.value):>10}   {between:<20}{floor:>10}"
    return [head.rstrip(), f"      {meaning(figure)}{'; the judge' if is_judge else ''}"]


def _number(value: float) -> str:
    """Four digits that matter, never as a power of ten; beyond a millionth, 0."""
    if abs(value) < 1e-6:
        return "0"
    if abs(value) >= 1_000:
        return f"{value:,.0f}"
    digits = 4 if abs(value) < 1 else 3 if abs(value) < 10 else 2
    if abs(value) < 0.01:
        digits = 6
    return f"{value:.{digits}f}"
