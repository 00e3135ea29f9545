"""Classes of pictures: from a `dataset.json` as the StyleGAN tools write it, or sub-folders."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from projgan.data.report import Unusable
from projgan.data.source import LABELS_NAME, Source
from projgan.errors import DataError, UsageError, printable

MAX_CLASSES = 100_000


@dataclass(frozen=True)
class Labels:
    """One class for each picture name."""

    of: Mapping[str, int]
    class_names: Sequence[str]


def labels_from_file(source: Source) -> Labels | None:
    """The labels in the source's dataset.json; None if it says that there are none.

    The form is {"labels": [["folder/name.png", 3], ...]} or {"labels": null}; projgan adds
    "class_names" to its own zips, which the StyleGAN tools ignore.
    Raises: DataError: if the file is damaged, has another form, or lacks a picture of the source.
        UsageError: if labels are vectors of numbers, which the StyleGAN tools know.
    """
    try:
        content = json.loads(source.read(LABELS_NAME))
        pairs = content["labels"]
        if pairs is None:
            return None
        of: dict[str, int] = {}
        for name, label in pairs:
            if isinstance(label, list):
                raise _vectors(source)
            if (
                type(label) is not int
                or not 0 <= label < MAX_CLASSES
                or of.get(name, label) != label
            ):
                raise ValueError(f"label {label!r} of {name!r}")
            of[name] = label
    except (Unusable, ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, UsageError):
            raise
        raise DataError(
            f'{LABELS_NAME} must be {{"labels": [["name.png", 0], ...]}}, one class a picture; '
            f"found: {str(error)[:100]}",
            where=f"{source.path}/{LABELS_NAME}",
        ) from error
    _require_all(source, of)
    count = max(of.values(), default=0) + 1
    return Labels(of, _class_names(content, count))


def labels_from_folders(names: Sequence[str]) -> Labels | None:
    """Each picture's first-level folder as its class.

    None unless every picture lies in such a folder and there are at least two of them.
    """
    folders = {name: name.split("/", 1)[0] for name in names if "/" in name}
    classes = sorted(set(folders.values()))
    if len(folders) < len(names) or len(classes) < 2:
        return None
    number = {folder: index for index, folder in enumerate(classes)}
    return Labels({name: number[folder] for name, folder in folders.items()}, classes)


def _require_all(source: Source, of: Mapping[str, int]) -> None:
    missing = [entry.name for entry in source.listing.entries if entry.name not in of]
    if missing:
        raise DataError(
            f"{LABELS_NAME} has no label for {len(missing)} pictures: {printable(missing[0])} ...",
            where=f"{source.path}/{LABELS_NAME}",
            next_command=f"complete {LABELS_NAME}, or remove it to train without its labels",
        )


def _vectors(source: Source) -> UsageError:
    return UsageError(
        f"labels in {LABELS_NAME} are vectors of numbers; projgan knows one class a picture",
        where=f"{source.path}/{LABELS_NAME}",
        next_command=f"write a class number for each picture, or remove {LABELS_NAME} "
        "to train without labels",
    )


def _class_names(content: Mapping[str, Any], count: int) -> list[str]:
    names = content.get("class_names")
    numbers = [str(index) for index in range(count)]
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        return numbers
    return names if len(names) == len(set(names)) == count else numbers
