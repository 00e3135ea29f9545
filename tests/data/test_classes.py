"""Classes of a run: settled from a set, and found by what a user types."""

from __future__ import annotations

import dataclasses

import pytest

from projgan.config.pictures import DataConfig
from projgan.data.classes import count_in_words, find_class, find_classes, settle_classes
from projgan.data.dataset import PreparedSet
from projgan.data.drawn import write_drawn_set
from projgan.data.prepare import prepare
from projgan.errors import DataError, UsageError

CONDITIONAL = DataConfig(path="photos", resolution=32, conditional=True)
KNOWN = ("cat", "dog", "10", "a,b", "3")


@pytest.fixture(scope="module")
def flowers(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    folder = tmp_path_factory.mktemp("work")
    write_drawn_set(folder / "photos", count=16, size=32, by_kind=True)
    return prepare(DataConfig(path=str(folder / "photos"), resolution=32), folder / "set")


def test_classes_come_from_the_set(flowers: PreparedSet) -> None:
    settled = settle_classes(CONDITIONAL, flowers)
    assert settled.classes == ("cosmos", "dahlia", "daisy", "primrose", "star")
    assert settle_classes(settled, flowers) == settled
    plain = dataclasses.replace(CONDITIONAL, conditional=False)
    assert settle_classes(plain, flowers) is plain


def test_the_sentence_counts_pictures(flowers: PreparedSet) -> None:
    sentence = count_in_words(flowers)
    assert sentence.startswith("5 classes: cosmos (")
    counts = [int(part.split("(")[1]) for part in sentence.split(")")[:-1]]
    assert sum(counts) == 16


def with_labels(flowers: PreparedSet, labels: list[int] | None) -> PreparedSet:
    other = PreparedSet.open(flowers.folder)
    other.labels = labels
    other.class_names = None if labels is None else other.class_names
    return other


def test_a_set_without_labels_or_with_one_class_is_refused(flowers: PreparedSet) -> None:
    with pytest.raises(UsageError, match="have no classes") as caught:
        settle_classes(CONDITIONAL, with_labels(flowers, None))
    assert "folder of its own" in caught.value.next_command and caught.value.where == "photos"
    with pytest.raises(UsageError, match="one class, 'daisy'"):
        settle_classes(CONDITIONAL, with_labels(flowers, [2] * 16))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (("cosmos", "dahlia", "daisy", "primrose"), "new: star"),
        (("cosmos", "dahlia", "rose", "primrose", "star"), "new: daisy; gone: rose"),
        (("dahlia", "cosmos", "daisy", "primrose", "star"), "order"),
    ],
)
def test_other_classes_than_the_config_s_are_refused(
    flowers: PreparedSet, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        settle_classes(dataclasses.replace(CONDITIONAL, classes=classes), flowers)


def test_classes_belong_to_conditional_runs() -> None:
    with pytest.raises(UsageError, match="no effect"):
        DataConfig(classes=("a", "b"))


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("cat", [0]),
        ("1", [1]),
        ("10", [2]),  # a name goes before a number
        ("3", [4]),
        ("a,b", [3]),  # and the whole before its parts
        ("dog, cat,dog", [1, 0]),
        ("all", [0, 1, 2, 3, 4]),
    ],
)
def test_what_a_user_types_is_found(text: str, found: list[int]) -> None:
    assert find_classes(text, KNOWN) == found


@pytest.mark.parametrize("text", ["cow", "5", "-1", "", "cat,", "cat,cow"])
def test_an_unknown_class_lists_the_known_ones(text: str) -> None:
    with pytest.raises(UsageError, match="known: cat, dog, 10") as caught:
        find_classes(text, KNOWN)
    assert "0 to 4" in caught.value.next_command
    assert len(caught.value.lines()) <= 6


def test_thousands_of_classes_are_not_all_listed() -> None:
    with pytest.raises(UsageError, match="and 980 more"):
        find_class("cow", [f"n{i}" for i in range(1000)])


def test_without_classes_there_is_nothing_to_find() -> None:
    for text in ("cat", "0", "all"):
        with pytest.raises(UsageError, match="trained without classes"):
            find_classes(text, ())
