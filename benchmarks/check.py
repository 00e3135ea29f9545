"""Is a step still as fast as it was, compared to the reference's step?

python benchmarks/check.py [--record] [--threads 1] [--repeats 9]

Measures how many times as fast a step is as the reference's, in turns on this machine, and fails
when the ratio is more than 15 % below the one in recorded.json for machines of this kind. A ratio,
because seconds differ from machine to machine and from hour to hour; of the processor's time on a
CPU (one thread), because others may use it as well. --record writes it down.
Exit codes: 0 as fast, 1 slower, 2 nothing is recorded for this kind of machine.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from projgan.build import choose_device
from projgan.workflows.bench.benchmark import Effort, benchmark
from projgan.workflows.bench.machine import in_words
from projgan.workflows.bench.reference import REFERENCE_STEP

RECORDED = Path(__file__).with_name("recorded.json")
ALLOWED_LOSS = 0.15
"""Share of the recorded ratio."""
PRESET, OPTIONS = "few-shot-128", {"training.batch": "8"}


def verdict(kind: str, ratio: float, recorded: Mapping[str, Any]) -> tuple[int, str]:
    """Exit code and sentence for a ratio measured on a machine of this kind."""
    if kind not in recorded:
        known = ", ".join(recorded) or "none"
        return 2, f"no ratio is recorded for {kind} (recorded: {known}); next: make bench-record"
    before = float(recorded[kind]["ratio"]["median"])
    change = ratio / before - 1
    sentence = (
        f"{ratio:.2f} times as fast as the reference's step; recorded for {kind}: {before:.2f} "
        f"({change:+.1%})"
    )
    if ratio < before * (1 - ALLOWED_LOSS):
        return 1, f"SLOWER: {sentence}, more than {ALLOWED_LOSS:.0%} below"
    return 0, f"as fast: {sentence}"


def record(facts: Mapping[str, Any], recorded: Mapping[str, Any]) -> dict[str, Any]:
    """`recorded` with this measurement in the place of an older one of the same kind."""
    entry = {
        "ratio": facts["against"]["ratio"],
        "images_per_s": facts["step"]["images_per_s"]["median"],
        "machine": in_words(facts["machine"]),
        "projgan": facts["machine"]["projgan"],
    }
    return dict(sorted({**recorded, facts["machine"]["kind"]: entry}.items()))


def measure(threads: int, repeats: int, device: str) -> dict[str, Any]:
    """The ratio at the setting that is recorded."""
    options = OPTIONS | {"training.threads": str(threads), "training.device": device}
    on_cpu = threads == 1 and choose_device(device).type == "cpu"
    effort = Effort(repeats=repeats, warm_up=2, besides=(), cpu_time=on_cpu)
    return benchmark(preset=PRESET, options=options, against=REFERENCE_STEP, effort=effort)


def main() -> int:
    """Measure, then compare or record."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--record", action="store_true", help="write the ratio down")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--repeats", type=int, default=9)
    parser.add_argument("--device", default="auto")
    args = parser.parse_args()
    recorded = json.loads(RECORDED.read_text(encoding="utf-8")) if RECORDED.exists() else {}
    facts = measure(args.threads, args.repeats, args.device)
    kind, ratio = facts["machine"]["kind"], facts["against"]["ratio"]
    print(f"{PRESET} {OPTIONS} on {in_words(facts['machine'])}")
    print(f"ratio {ratio['median']:.3g} ({ratio['least']:.3g} to {ratio['most']:.3g})")
    if facts["machine"]["busy"]:
        print(f"note: {facts['machine']['busy']}")
    if args.record:
        text = json.dumps(record(facts, recorded), indent=1) + "\n"
        RECORDED.write_text(text, encoding="utf-8")
        print(f"recorded for {kind} in {RECORDED}")
        return 0
    code, sentence = verdict(kind, ratio["median"], recorded)
    print(sentence)
    return code


if __name__ == "__main__":
    sys.exit(main())
