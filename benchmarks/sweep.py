"""What a step costs over resolution, batch, size of the set, generator and feature network.

python benchmarks/sweep.py [--tables resolution,batch,set-size,generator,features] [--out FOLDER]
    [--device auto] [--threads 1] [--precision auto] [--seconds 15] [--most-s 90]
    [--cpu-time] [--tiny]

Prints a Markdown table each, with the machine; --out also keeps them as sweep.md and sweep.json.
Every cell is a process of its own, so its memory is its own, and one that does not fit loses only
itself. What would take longer than --most-s a step, judging by the cell before, is left out, and
the table says so. Feature networks have random weights here: their cost is the same.
"""

from __future__ import annotations

import argparse
import json
import shutil
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from projgan.build import settle
from projgan.config.load import load_config
from projgan.config.schema import RunConfig
from projgan.errors import ProjganError
from projgan.workflows.bench.aside import loading_time
from projgan.workflows.bench.feed import Feed, write_noise
from projgan.workflows.bench.machine import in_words, machine_facts
from projgan.workflows.bench.spread import Spread, digits
from projgan.workflows.bench.stopwatch import Stopwatch, require_processor_time
from projgan.workflows.doctor.trial import try_steps

Cell = dict[str, Any]
"""A row of a table: `value`, and either figures or a `problem`."""


@dataclass(frozen=True)
class Table:
    """One question: a setting and the values that it takes.

    Attributes:
        what: heading of the first column.
        preset, options: what all cells have in common.
        key: the setting.
        growth: at most how many times as long a step takes with the next value; 0: one cell says
            nothing about the next.
    """

    what: str
    preset: str
    options: Mapping[str, str]
    key: str
    values: Sequence[str]
    growth: float = 0.0


TABLES = {
    "resolution": Table(
        "resolution (px)",
        "few-shot-256",
        {"training.batch": "4"},
        "data.resolution",
        ("64", "128", "256", "512", "1024"),
        growth=4.0,
    ),
    "batch": Table(
        "batch",
        "few-shot-256",
        {},
        "training.batch",
        ("1", "2", "4", "8", "16", "32", "64"),
        growth=2.0,
    ),
    "generator": Table(
        "generator",
        "few-shot-256",
        {"training.batch": "4"},
        "generator.name",
        ("fastgan-lite", "fastgan", "stylegan2"),
    ),
    "features": Table(
        "feature network",
        "few-shot-128",
        {"training.batch": "4"},
        "features.name",
        (
            "lite0",
            "lite1",
            "lite4",
            "tf_efficientnet_b0",
            "resnet18",
            "resnet50",
            "convnext_tiny",
            "mobilenetv3_small_100",
            "deit_small_patch16_224",
            "vit_small_patch14_dinov2",
            "lite0,deit_small_patch16_224",
        ),
    ),
}
SET_SIZE = "set-size"
COUNTS = (100, 1_000, 10_000, 100_000)
_LIKE_BEFORE = "left out, like the one before"
_SET_PRESET = "few-shot-64"
TINY = {
    "generator.width": "8",
    "generator.z_dim": "16",
    "features.input_size": "128",
    "heads.kind": "separable",
    "data.resolution": "32",
    "training.batch": "2",
}
"""Settings with which a sweep can be tried out; the key that is swept keeps its values."""


@dataclass(frozen=True)
class Effort:
    """Where and how long: seconds of steps a cell, and the longest step."""

    common: Mapping[str, str]
    seconds: float
    most_s: float
    is_tiny: bool
    cpu_time: bool = False


def config_of(table: Table, value: str, effort: Effort) -> RunConfig:
    """The settled config of one cell."""
    options = {**table.options, "features.pretrained": "false", **effort.common}
    if effort.is_tiny:
        options |= TINY
    return settle(load_config(preset=table.preset, options={**options, table.key: value}))


def predicted(cells: Sequence[Cell], growth: float) -> float:
    """Seconds of the next cell's step, at most, by the last one; 0: nothing is known."""
    return float(cells[-1].get("step_s", 0.0)) * growth if cells else 0.0


def measure_table(table: Table, effort: Effort) -> Iterator[Cell]:
    """Its cells, one after the other."""
    cells: list[Cell] = []
    values = table.values[:2] if effort.is_tiny else table.values
    is_over = ""  # once a cell does not fit, larger ones do not either
    for value in values:
        guess = predicted(cells, table.growth)
        if is_over:
            cell: Cell = {"value": value, "problem": is_over}
        elif guess > effort.most_s:
            cell = {"value": value, "problem": f"left out: up to {guess:.0f} s a step"}
            is_over = _LIKE_BEFORE
        else:
            cell = measure_cell(table, value, effort)
            if table.growth and cell.get("problem", "").startswith("the memory"):
                is_over = _LIKE_BEFORE
        cells.append(cell)
        yield cell


def measure_cell(table: Table, value: str, effort: Effort) -> Cell:
    """Steps in a child, as a row."""
    try:
        config = config_of(table, value, effort)
    except ProjganError as error:
        return {"value": value, "problem": f"not possible: {error.what}"}
    trial = try_steps(config, effort.seconds, least=2)
    if not trial.steps_s:
        return {"value": value, "problem": trial.problem}
    seconds = Spread.of(trial.processor_s if effort.cpu_time else trial.steps_s)
    return {
        "value": value,
        "step_s": digits(seconds.median),
        "least_s": digits(seconds.least),
        "most_s": digits(seconds.most),
        "steps": seconds.count,
        "is_first": trial.is_first,
        "images_per_s": digits(trial.batch / seconds.median),
        "memory_mb": round(trial.memory_mb),
        "batch": trial.batch,
    }


def measure_set_sizes(effort: Effort) -> Iterator[Cell]:
    """Loading a batch from sets of several sizes, beside a step."""
    options = {"features.pretrained": "false", **effort.common, **(TINY if effort.is_tiny else {})}
    config = settle(load_config(preset=_SET_PRESET, options=options))
    trial = try_steps(config, effort.seconds, least=2)
    device = torch.device(config.training.device)
    seconds = trial.processor_s if effort.cpu_time else trial.steps_s
    step_s = Spread.of(seconds).median if seconds else 0.0
    for count in COUNTS[:2] if effort.is_tiny else COUNTS:
        size = count * config.data.size[0] * config.data.size[1] * config.data.channels
        with tempfile.TemporaryDirectory(prefix="projgan-sweep-") as folder:
            if size * 2 > shutil.disk_usage(folder).free:
                yield {"value": f"{count:,}", "problem": "left out: the disk is too small"}
                continue
            pictures = write_noise(Path(folder), config, count)
            load = loading_time(
                Feed(config, pictures),
                config.training.batch,
                Stopwatch(device, of_processor=effort.cpu_time),
            )
            # The loop pays for the order of an epoch when the epoch begins: part of the most.
            yield {
                "value": f"{count:,}",
                "load_ms": digits(1e3 * load.median),
                "most_ms": digits(1e3 * load.most),
                "share": digits(load.median / step_s) if step_s else None,
            }


def rows_of_steps(cells: Sequence[Cell]) -> list[list[str]]:
    """Head and rows of a table of steps."""
    rows = [["", "seconds a step", "images/s", "memory (MB)"]]
    for cell in cells:
        if "problem" in cell:
            rows.append([cell["value"], cell["problem"], "", ""])
            continue
        first = ", the first one" if cell["is_first"] else ""
        seconds = f"{cell['step_s']:.3g} ({cell['least_s']:.3g} to {cell['most_s']:.3g}{first})"
        rows.append(
            [cell["value"], seconds, f"{cell['images_per_s']:.3g}", f"{cell['memory_mb']:,}"]
        )
    return rows


def rows_of_loading(cells: Sequence[Cell]) -> list[list[str]]:
    """Head and rows of the table of set sizes."""
    rows = [["", "ms to load a batch", "the slowest (ms)", "share of a step"]]
    for cell in cells:
        if "problem" in cell:
            rows.append([cell["value"], cell["problem"], "", ""])
            continue
        share = f"{cell['share']:.2%}" if cell["share"] is not None else "not known"
        rows.append([cell["value"], f"{cell['load_ms']:.3g}", f"{cell['most_ms']:.3g}", share])
    return rows


def markdown(what: str, rows: Sequence[Sequence[str]]) -> str:
    """A Markdown table; the first row is its head."""
    head, *body = rows
    lines = [[what, *head[1:]], ["---"] * len(head), *body]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def parse() -> argparse.Namespace:
    """The command line."""
    known = (*TABLES, SET_SIZE)
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tables", default=",".join(known))
    parser.add_argument("--out", type=Path)
    parser.add_argument("--device", default="auto")
    parser.add_argument("--threads", default="1")
    parser.add_argument("--precision", default="auto")
    parser.add_argument("--seconds", type=float, default=15.0, help="of steps, a cell")
    parser.add_argument("--most-s", type=float, default=90.0, help="longest step that is tried")
    parser.add_argument("--tiny", action="store_true", help="small networks, two cells a table")
    parser.add_argument("--cpu-time", action="store_true", help="as for projgan bench")
    args = parser.parse_args()
    args.tables = args.tables.split(",")
    unknown = [name for name in args.tables if name not in known]
    if unknown:
        parser.error(f"unknown table {unknown[0]!r}; known: {', '.join(known)}")
    return args


def main() -> None:
    """Measure the tables that were asked for, and print each as it is done."""
    args = parse()
    common = {
        f"training.{name}": getattr(args, name) for name in ("device", "threads", "precision")
    }
    effort = Effort(common, args.seconds, args.most_s, args.tiny, args.cpu_time)
    base = settle(load_config(preset=_SET_PRESET, options=common))
    if args.cpu_time:
        require_processor_time(base)
    torch.set_num_threads(base.training.threads)
    machine = machine_facts(base)
    kind = "; seconds of the processor" if args.cpu_time else ""
    texts = [f"{in_words(machine)}; {base.training.precision}{kind}", f"`{command()}`"]
    print("\n\n".join(texts), flush=True)
    found: dict[str, Any] = {"machine": machine, "command": command()}
    for name in args.tables:
        if name == SET_SIZE:
            what, cells = f"pictures ({_SET_PRESET})", list(measure_set_sizes(effort))
            text = markdown(what, rows_of_loading(cells))
        else:
            table = TABLES[name]
            what, cells = table.what, []
            for cell in measure_table(table, effort):
                cells.append(cell)
                print(f"{name} {cell['value']}: done", file=sys.stderr, flush=True)
            text = markdown(f"{what}, {described(table, effort)}", rows_of_steps(cells))
        print(f"\n{text}", flush=True)
        texts.append(text)
        found[name] = cells
        if args.out:
            args.out.mkdir(parents=True, exist_ok=True)
            (args.out / "sweep.md").write_text("\n\n".join(texts) + "\n", encoding="utf-8")
            (args.out / "sweep.json").write_text(json.dumps(found, indent=1), encoding="utf-8")


def described(table: Table, effort: Effort) -> str:
    """What its cells have in common, such as "few-shot-256, batch=4"."""
    if effort.is_tiny:
        return "tiny"
    options = [f"{key.partition('.')[2]}={value}" for key, value in table.options.items()]
    return ", ".join([table.preset, *options])


def command() -> str:
    """As it was typed."""
    return " ".join(["python", "benchmarks/sweep.py", *sys.argv[1:]])


if __name__ == "__main__":
    main()
