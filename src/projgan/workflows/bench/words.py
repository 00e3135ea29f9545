"""A benchmark for a reader: some lines, and the table by part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from projgan.workflows.bench.machine import in_words
from projgan.workflows.bench.spread import Spread


def lines(facts: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Label and text of each figure that was measured."""
    rows = [("machine", in_words(facts["machine"])), ("step", _step(facts))]
    if "against" in facts:
        rows.append(("against", _against(facts["against"])))
    if "work" in facts:
        work = facts["work"]
        rows.append(
            (
                "work",
                f"{work['flops'] / 1e9:,.0f} GFLOP a step, {work['flops_per_s'] / 1e9:,.0f} "
                f"GFLOP/s: {work['share']:.0%} of a large matrix product here",
            )
        )
    others = [
        f"{label} {_spread(facts[label]['images_per_s'])} images/s"
        for label in ("sampling", "evaluation")
        if label in facts
    ]
    if "data" in facts:
        others.append(f"loading {facts['data']['share']:.2%} of a step")
    if others:
        rows.append(("others", "; ".join(others)))
    notes = [facts["machine"]["busy"]]
    if facts["seconds_of"] == "processor":
        notes.append("seconds are those of the processor")
    if any(notes):
        rows.append(("note", "; ".join(filter(None, notes))))
    return rows


def table(facts: Mapping[str, Any]) -> list[str]:
    """The seconds of a step by part; empty if they were not measured."""
    if "parts" not in facts:
        return []
    parts = facts["parts"]
    rows = [("part", "forward", "backward", "share")]
    for name, row in parts["by_part"].items():
        if not row["share"]:
            continue
        backward = _seconds(row["backward_s"]) if "backward_s" in row else ""
        rows.append((name, _seconds(row["forward_s"]), backward, f"{row['share']:.1%}"))
    total, whole = parts["sum_s"], parts["whole_s"]
    rows.append(("sum", _seconds(total - parts["backward_s"]), _seconds(parts["backward_s"]), ""))
    widths = [max(len(row[column]) for row in rows) for column in range(4)]
    text = [
        "  ".join(
            cell.ljust(width) if column == 0 else cell.rjust(width)
            for column, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
    return [*text, f"all {_seconds(total)}; a step without looking into it {_seconds(whole)}"]


def _step(facts: Mapping[str, Any]) -> str:
    settings, step = facts["settings"], facts["step"]
    return (
        f"{_spread(step['images_per_s'])} images/s: {settings['batch']} of "
        f"{settings['resolution']} px in {_spread(step['seconds'])} s, {settings['generator']}, "
        f"{settings['step']}, {settings['precision']}"
        f"{', compiled' if settings['compile'] == 'on' and not step['not_compiled'] else ''}"
        f"{_memory(step)}"
    )


def _against(against: Mapping[str, Any]) -> str:
    return (
        f"{_spread(against['ratio'])} times as fast as {against['name']} "
        f"({_spread(against['images_per_s'])} images/s{_memory(against)}), "
        f"median of {against['ratio']['count']} in turns; fastest against fastest "
        f"{against['ratio_of_fastest']:.3g}"
    )


def _memory(step: Mapping[str, Any]) -> str:
    return f", {step['memory_mb']:,.0f} MB" if step.get("memory_mb") else ""


def _spread(values: Mapping[str, Any]) -> str:
    return Spread(values["median"], values["least"], values["most"], int(values["count"])).words()


def _seconds(value: float) -> str:
    return f"{value:.3g} s" if value >= 1 else f"{value * 1e3:.3g} ms"
