"""`projgan sample`."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from projgan.cli.arguments import (
    add_allow_code,
    add_class,
    add_device,
    add_out,
    add_truncation,
)
from projgan.errors import UsageError

EXAMPLES = (
    "projgan sample runs/photos --seeds 0-63 --grid",
    "projgan sample runs/photos/snapshots/000050000 --seeds 7,12,100-119 --out picks",
    "projgan sample runs/photos --seeds 0-5 --mix-with 10-17 --mix-layers 0-3",
    "projgan sample runs/photos --seeds 0-9 --class all --grid",
    "projgan sample runs/photos --seeds 0-15 --best-of 4",
    "projgan sample runs/photos --count 10000 --precision bf16 --out many",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The options of this command."""
    parser.add_argument("source", help="a run folder (its newest snapshot) or a snapshot folder")
    parser.add_argument("--seeds", help="such as 0-63 or 7,12,100-119 (default: 0-35)")
    parser.add_argument(
        "--count", type=int, metavar="N", help="the first N seeds: the same as --seeds 0-(N-1)"
    )
    parser.add_argument("--grid", action="store_true", help="one grid instead of a file a seed")
    parser.add_argument(
        "--columns", type=int, metavar="N", help="of the grid (default: nearly square)"
    )
    add_class(
        parser,
        "of a conditional run: name or number, several with commas, or all: every seed in each "
        "(default: classes in turn)",
    )
    add_truncation(parser)
    parser.add_argument(
        "--noise",
        choices=("const", "random", "none"),
        help="the same noise in all pictures (default), each its own, or none (not fastgan-lite)",
    )
    parser.add_argument(
        "--precision",
        choices=("fp32", "bf16"),
        default="fp32",
        help="bf16: twice as fast on processors that compute in it, and off by up to about 3 of "
        "255 levels (default: fp32)",
    )
    parser.add_argument(
        "--best-of",
        type=int,
        metavar="N",
        help="for each picture keep the best of N seeds, by the heads of the run's checkpoint: "
        "better pictures, less variety",
    )
    parser.add_argument(
        "--mix-with",
        metavar="SEEDS",
        help="a table: each of --seeds (rows) with some styles of each of these (stylegan2)",
    )
    parser.add_argument(
        "--mix-layers",
        metavar="LAYERS",
        help="which styles those are, coarse to fine, such as 4-7 (default: 0-3)",
    )
    add_out(
        parser,
        "samples, samples.png for a grid, mix.png for a table",
        "folder of PNG files, or PNG file of the grid",
        overwrite="replace what exists",
    )
    add_device(parser)
    add_allow_code(parser)


def run(args: argparse.Namespace) -> dict[str, Any]:
    """Make the pictures and say where they are."""
    if args.mix_with is not None:
        if args.precision != "fp32":
            raise UsageError("tables are made in fp32", where="option --precision")
        return _mix(args)
    if args.mix_layers is not None:
        raise UsageError("has no effect without --mix-with", where="option --mix-layers")
    if args.precision != "fp32" and args.best_of is not None:
        raise UsageError("the best are chosen in fp32", where="option --precision")
    if args.best_of is not None:
        return _best(args)

    from projgan.workflows.use import sample

    out = _out(args)
    files = sample(
        args.source, seeds=_seeds(args), out=out, precision=args.precision, **_manner(args)
    )
    if not args.json:
        print(f"{len(files)} file(s): {out}")
    return {"files": [str(file) for file in files]}


def _best(args: argparse.Namespace) -> dict[str, Any]:
    from projgan.workflows.best_of import sample_best

    seeds, out = _seeds(args), _out(args)
    result = sample_best(args.source, seeds=seeds, best_of=args.best_of, out=out, **_manner(args))
    if not args.json:
        print(f"{len(result.files)} file(s): {out}")
        print(f"kept: --seeds {','.join(str(one.seed) for one in result.kept)}")
    return {
        "files": [str(file) for file in result.files],
        "kept": [one.as_dict() for one in result.kept],
        "judge": result.judge,
        "judge_images": result.judge_images,
    }


def _seeds(args: argparse.Namespace) -> list[int]:
    from projgan.sampling.seeds import MAX_SEEDS, parse_seeds

    if args.count is None:
        return parse_seeds(args.seeds or "0-35")
    if args.seeds is not None:
        raise UsageError("it counts seeds from 0; --seeds names them", where="option --count")
    if not 1 <= args.count <= MAX_SEEDS:
        raise UsageError(f"must lie between 1 and {MAX_SEEDS}", where="option --count")
    return list(range(args.count))


def _out(args: argparse.Namespace) -> Path:
    return Path(args.out or ("samples.png" if args.grid else "samples"))


def _manner(args: argparse.Namespace) -> dict[str, Any]:
    """How pictures are made and written, whichever seeds they come from."""
    from projgan.cli.terminal import Terminal

    return {
        "as_grid": args.grid,
        "columns": args.columns,
        "classes": args.classes,
        "truncation_psi": args.truncation_psi,
        "truncation_cutoff": args.truncation_cutoff,
        "noise": args.noise,
        "device": args.device or "auto",
        "allow_code": args.allow_code,
        "overwrite": args.overwrite,
        "watch": Terminal(),
    }


def _mix(args: argparse.Namespace) -> dict[str, Any]:
    from projgan.sampling.seeds import parse_seeds
    from projgan.workflows.mix import COARSE, mix

    if args.best_of is not None:
        raise UsageError("a table mixes the seeds that are named", where="option --best-of")
    if args.columns is not None:
        raise UsageError("a table has a column for each seed", where="option --columns")
    layers: Sequence[int] = COARSE
    if args.mix_layers is not None:
        layers = parse_seeds(args.mix_layers, kind="layers", next_command="--mix-layers 0-3")
    out = mix(
        args.source,
        seeds=_seeds(args),
        others=parse_seeds(args.mix_with),
        layers=layers,
        classes=args.classes,
        out=Path(args.out or "mix.png"),
        truncation_psi=args.truncation_psi,
        truncation_cutoff=args.truncation_cutoff,
        noise=args.noise,
        device=args.device or "auto",
        allow_code=args.allow_code,
        overwrite=args.overwrite,
    )
    if not args.json:
        print(f"table: {out}")
    return {"files": [str(out)]}
