"""Classes of a conditional run: settled from the prepared set, and found by name or number."""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

from projgan.config.pictures import DataConfig
from projgan.data.dataset import PreparedSet
from projgan.errors import DataError, UsageError

ALL = "all"
_SHOWN = 20


def settle_classes(config: DataConfig, prepared: PreparedSet) -> DataConfig:
    """`config` with the classes of the set; unchanged if it is not conditional.

    Raises: UsageError: the set has no labels, or pictures of one class only. DataError: the config
        has other classes already.
    """
    if not config.conditional:
        return config
    where = config.path or str(prepared.folder)
    if prepared.labels is None or prepared.class_names is None:
        raise UsageError(
            "these pictures have no classes",
            where=where,
            next_command="put each class into a folder of its own (or give it in dataset.json), "
            "or leave --conditional out",
        )
    classes = tuple(prepared.class_names)
    present = set(prepared.labels)
    if len(present) < 2:
        raise UsageError(
            f"all pictures belong to one class, {classes[present.pop()]!r}",
            where=where,
            next_command="leave --conditional out",
        )
    if config.classes and config.classes != classes:
        raise DataError(
            f"the classes are not those of the config: {_difference(config.classes, classes)}",
            where=where,
            safe="nothing was changed",
            next_command="bring them back, or start a new run with another --out",
        )
    return dataclasses.replace(config, classes=classes)


def count_in_words(prepared: PreparedSet) -> str:
    """How many pictures each class has, such as "2 classes: cat (120), dog (98)"."""
    names, counts = prepared.class_names or [], Counter(prepared.labels or [])
    parts = [f"{name} ({counts[index]})" for index, name in enumerate(names)]
    return f"{len(names)} classes: {_some(parts)}"


def find_classes(text: str, known: Sequence[str]) -> list[int]:
    """The classes that a text such as "cat", "3", "cat,dog" or "all" names, in its order.

    A name goes before a number, and the whole text before its parts, so that every class can be
    named; numbers count from 0.

    Raises: UsageError: a class is unknown; the message lists the known ones.
    """
    if text in known:
        return [find_class(text, known)]
    if text == ALL:
        find_class(0, known)
        return list(range(len(known)))
    return list(dict.fromkeys(find_class(part.strip(), known) for part in text.split(",")))


def find_class(wanted: str | int, known: Sequence[str]) -> int:
    """The index of one class, given by name or number.

    Raises: UsageError: there is no such class, or there are none at all.
    """
    if not known:
        raise UsageError(
            "the generator was trained without classes",
            next_command="leave the class out, or train with: projgan train PICTURES --conditional",
        )
    if isinstance(wanted, str) and wanted in known:
        return list(known).index(wanted)
    try:
        index = int(wanted)
    except ValueError:
        index = -1
    if not 0 <= index < len(known):
        raise UsageError(
            f"unknown class {wanted!r}; known: {_some(known)}",
            next_command=f"a name, a number from 0 to {len(known) - 1}, several with commas, "
            f"or {ALL}",
        )
    return index


def _difference(old: Sequence[str], new: Sequence[str]) -> str:
    added = [name for name in new if name not in old]
    removed = [name for name in old if name not in new]
    if not added and not removed:
        return "their order is another"
    parts = [("new", added), ("gone", removed)]
    return "; ".join(f"{word}: {_some(names)}" for word, names in parts if names)


def _some(names: Sequence[str]) -> str:
    """The names, or the first of them."""
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return ", ".join(names[:_SHOWN]) + more
