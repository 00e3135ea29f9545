from __future__ import annotations

import json
import time
from pathlib import Path

import pytest
import torch

from projgan.config.load import override
from projgan.config.schema import RunConfig
from projgan.data.drawn import write_drawn_set
from projgan.errors import UsageError
from projgan.workflows.bench.benchmark import (
    Effort,
    benchmark,
    part_facts,
    write_benchmark,
)
from projgan.workflows.bench.feed import pictures_for
from projgan.workflows.bench.machine import in_words, kind_of_machine
from projgan.workflows.bench.opponent import parse_opponent
from projgan.workflows.bench.rounds import Way, take_turns
from projgan.workflows.bench.spread import Spread
from projgan.workflows.bench.stopwatch import Stopwatch
from projgan.workflows.bench.words import lines, table
from tiny import tiny_config, tiny_options

NOTHING_ELSE = Effort(repeats=1, besides=())


def test_spread() -> None:
    spread = Spread.of([3.0, 1.0, 2.0])
    assert (spread.median, spread.least, spread.most, spread.count) == (2.0, 1.0, 3.0, 3)
    assert spread.words() == "2 (1 to 3)"
    assert Spread.of([2.3456]).words() == "2.35"


def test_ways_take_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []

    def whole(way: Way) -> float:
        order.append(way.name)
        return float(len(order))

    def by_part(way: Way) -> dict[str, float]:
        order.append(f"{way.name} by part")
        return {"rest": 1.0}

    monkeypatch.setattr(Way, "whole", whole)
    monkeypatch.setattr(Way, "by_part", by_part)
    config = tiny_config()
    with pictures_for(config) as (config, pictures):
        ways = [Way(name, config, pictures) for name in ("ours", "theirs")]
        rounds = take_turns(ways, warm_up=1, repeats=2)
    assert order == ["ours", "theirs", "ours by part"] * 3
    assert rounds.whole == ((4.0, 7.0), (5.0, 8.0))
    assert len(rounds.first_s) == 2
    assert len(rounds.parts) == 2


def test_a_ratio_is_of_images_not_of_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Steps of 4 in 1 s, and of 2 in 1 s: twice as fast."""
    monkeypatch.setattr(Way, "whole", lambda way: 1.0)
    options = tiny_options()
    facts = benchmark(options=options, against="training.batch=2", effort=NOTHING_ELSE)
    assert facts["against"]["ratio"]["median"] == 2.0
    assert facts["step"]["images_per_s"]["median"] == 4.0
    assert facts["against"]["images_per_s"]["median"] == 2.0


def test_parts_add_up() -> None:
    parts = [{"generator": 1.0, "generator, backward": 2.0, "ema": 1.0}, {"generator": 3.0}]
    facts = part_facts(parts, 4.5)
    assert facts["by_part"]["generator"] == {"forward_s": 2.0, "backward_s": 1.0, "share": 0.8571}
    assert facts["by_part"]["ema"]["share"] == 0.1429
    assert (facts["sum_s"], facts["whole_s"], facts["backward_s"]) == (3.5, 4.5, 1.0)
    assert facts["by_part"]["heads"]["share"] == 0.0


def test_opponents() -> None:
    base = override(RunConfig(), tiny_options())
    reference = parse_opponent("reference-step", base)
    assert reference.is_reference and reference.config.training.step == "alternating"
    two = parse_opponent("features.name=lite0,resnet18,training.batch=8", base)
    assert two.config.features.name == "lite0,resnet18"
    assert two.config.training.batch == two.config.training.micro_batch == 8
    for text, words in {
        "nonsense": "is neither",
        "training.batch=4": "measured already",
        "training.speed=9": "unknown setting",
        "training.batch=many": "is not a int",
    }.items():
        with pytest.raises(UsageError, match=words):
            parse_opponent(text, base)


def test_noise_is_a_prepared_set_of_the_runs_size_and_mode() -> None:
    config = tiny_config(data__mode="rgba", data__resolution="64x32")
    with pictures_for(config) as (_, pictures):
        assert pictures.pixels.shape[1:] == (32, 64, 4)
        folder = pictures.folder
        assert 100 < float(pictures.pixels.mean()) < 155
    assert not folder.exists()
    with (
        pytest.raises(UsageError, match="noise has no classes"),
        pictures_for(tiny_config(data__conditional="true")),
    ):
        pass


def test_classes_of_the_pictures_are_learned(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROJGAN_CACHE", str(tmp_path / "cache"))
    for name in ("one", "two"):
        write_drawn_set(tmp_path / "photos" / name, count=4, size=32)
    facts = benchmark(
        tmp_path / "photos",
        options=tiny_options(data__conditional="true"),
        effort=Effort(repeats=1, besides=("data", "sampling")),
    )
    assert facts["settings"]["config"]["data"]["classes"] == ("one", "two")
    assert facts["data"]["pictures"] == 8
    assert facts["sampling"]["images_per_s"]["median"] > 0


@pytest.mark.parametrize(
    ("effort", "words"),
    [
        ({"repeats": 0}, "at least 1"),
        ({"warm_up": 0}, "at least 1"),
        ({"besides": ("speed",)}, "unknown part"),
    ],
)
def test_impossible_efforts(effort: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Effort(**effort)


def test_processor_time_is_for_one_thread_on_a_cpu() -> None:
    effort = Effort(repeats=1, besides=(), cpu_time=True)
    facts = benchmark(options=tiny_options(), effort=effort)
    assert facts["seconds_of"] == "processor"
    assert "those of the processor" in dict(lines(facts))["note"]
    with pytest.raises(UsageError, match="processor time is for one thread"):
        benchmark(options=tiny_options(training__threads="2"), effort=effort)
    with pytest.raises(UsageError, match="processor time is for one thread"):
        benchmark(options=tiny_options(), against="training.threads=2", effort=effort)


def test_a_stopwatch_of_the_processor_stands_still_while_nothing_is_done() -> None:
    wall, processor = (
        Stopwatch(torch.device("cpu"), of_processor=of_processor) for of_processor in (False, True)
    )
    started = wall.now(), processor.now()
    time.sleep(0.2)
    assert wall.now() - started[0] >= 0.2
    assert processor.now() - started[1] < 0.1


def test_machines() -> None:
    assert kind_of_machine(torch.device("cpu")) in ("amx", "avx512_bf16", "plain")
    facts = {"device": "cpu", "processor": "P", "units": [], "cores": 1, "threads": 1}
    assert in_words({**facts, "torch": "2"}) == "P, 1 core, 1 thread, no vector units; torch 2"


def test_files_and_words(tmp_path: Path) -> None:
    effort = Effort(repeats=2, besides=("parts", "data"))
    facts = benchmark(options=tiny_options(), against="reference-step", effort=effort)
    write_benchmark(facts, tmp_path / "b")
    saved = json.loads((tmp_path / "b" / "bench.json").read_text(encoding="utf-8"))
    assert saved["against"]["name"] == "reference-step"
    assert saved["settings"]["config"]["training"]["step"] == "shared"
    assert (tmp_path / "b" / "bench.png").stat().st_size > 5_000
    with pytest.raises(UsageError, match="exists already"):
        write_benchmark(facts, tmp_path / "b")
    write_benchmark(facts, tmp_path / "b", overwrite=True)
    assert (tmp_path / "b.old-1" / "bench.json").exists()
    labels = [label for label, _ in lines(facts) if label != "note"]
    assert labels == ["machine", "step", "against", "others"]
    assert "times as fast as reference-step" in dict(lines(facts))["against"]
    assert [row.split()[0] for row in table(facts)][:2] == ["part", "generator"]
    assert not table({"step": {}})
