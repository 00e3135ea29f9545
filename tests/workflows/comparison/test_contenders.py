"""What competes: texts into contenders, and the terms that must be equal."""

from __future__ import annotations

from pathlib import Path

import pytest

from projgan.config.presets import DEFAULT_PRESET
from projgan.errors import UsageError
from projgan.workflows.comparison.contenders import (
    BUILT_IN,
    ENDLESS,
    Contender,
    Entry,
    choose,
    make_entries,
    parse_contender,
    settings_that_differ,
)
from tiny import tiny_options


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "wide: few-shot-64, generator.width=128",
            Contender("wide", "few-shot-64", {"generator.width": "128"}),
        ),
        (
            "a:augment.policy=color,flip, heads.kind = plain",
            Contender("a", "", {"augment.policy": "color,flip", "heads.kind": "plain"}),
        ),
        ("mine: demo", Contender("mine", "demo")),
        ("base:", Contender("base")),
        ("demo", Contender("demo", "demo")),
        (BUILT_IN[0].name, BUILT_IN[0]),
    ],
)
def test_a_text_is_a_contender(text: str, expected: Contender) -> None:
    assert parse_contender(text) == expected


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("nobody", "unknown contender 'nobody'; known: "),
        ("a: nothing", "unknown preset 'nothing'"),
        ("a/b: demo", "no name for a contender"),
        ("a: demo, few-shot-64", "'few-shot-64' is no setting"),
        ("a: training.images=8", "training.images is the same for all contenders"),
        ("a: training.seed=8", "training.seed is the same for all contenders"),
    ],
)
def test_a_text_that_is_none_is_refused(text: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        parse_contender(text)


def test_one_preset_is_the_base_and_several_compete() -> None:
    assert choose([], []) == (DEFAULT_PRESET, list(BUILT_IN))
    assert choose(["demo"], []) == ("demo", list(BUILT_IN))
    base, contenders = choose(["demo", "few-shot-64"], ["x: few-shot-64, heads.kind=plain"])
    assert [one.name for one in contenders] == ["demo", "few-shot-64", "x"]
    assert [one.preset for one in contenders] == ["demo", "few-shot-64", "few-shot-64"]


@pytest.mark.parametrize(
    ("presets", "contenders", "message"),
    [
        ([], ["a: demo"], "a has nobody to compete with"),
        ([], ["a: demo", "a: few-shot-64"], "two contenders are called a"),
        (["demo", "demo"], [], "two contenders are called demo"),
        (["demo", "few-shot-64"], ["x: heads.kind=plain"], "which preset is contender x"),
    ],
)
def test_contenders_that_cannot_compete(
    presets: list[str], contenders: list[str], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        choose(presets, contenders)


def entries(tmp_path: Path, *contenders: str, **changes: str) -> list[Entry]:
    options = tiny_options(**changes)
    for key in ("heads.kind", "training.sample_every"):
        if key.replace(".", "__") not in changes:
            del options[key]
    if changes.get("training__images") == "":
        del options["training.images"]
    chosen = [parse_contender(text) for text in contenders or ("a: demo", "b: few-shot-64")]
    return make_entries(tmp_path, "demo", chosen, options=options, seed=3)


def test_contenders_win_over_what_they_share(tmp_path: Path) -> None:
    one, two = entries(tmp_path, "a: heads.kind=plain", "b: demo, training.batch=8")
    assert (one.config.heads.kind, two.config.heads.kind) == ("plain", "separable")
    assert (one.config.training.batch, two.config.training.batch) == (4, 8)
    assert one.config.training.seed == two.config.training.seed == 3
    assert settings_that_differ([one, two])[1] == {
        "heads.kind": "separable",
        "training.batch": 8,
        "training.micro_batch": 8,
        "training.ema_half_life_kimg": 2.5,
    }


def test_a_run_is_measured_twenty_times_unless_told(tmp_path: Path) -> None:
    assert entries(tmp_path, training__images="400")[1].config.training.sample_every == 20
    assert entries(tmp_path, training__images="16")[1].config.training.sample_every == 4
    told = entries(tmp_path, training__images="400", training__sample_every="7")
    assert [entry.config.training.sample_every for entry in told] == [7, 7]


def test_minutes_alone_mean_no_limit_of_images(tmp_path: Path) -> None:
    found = entries(tmp_path, training__minutes="2", training__images="")
    assert [entry.config.training.images for entry in found] == [ENDLESS, ENDLESS]
    # That of the first preset, since there is no length to divide.
    assert [entry.config.training.sample_every for entry in found] == [2_000, 2_000]
    with pytest.raises(UsageError, match="0 minutes mean no limit"):
        entries(tmp_path, training__minutes="0", training__images="")


def test_terms_must_be_equal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"training.images is 10000 for a and 100000 for b"):
        entries(tmp_path, training__images="")
    with pytest.raises(UsageError, match=r"training.threads is 1 for a and 2 for b"):
        entries(tmp_path, "a: demo", "b: training.threads=2")
    with pytest.raises(UsageError, match="several seeds"):
        entries(tmp_path, training__seed="1")
