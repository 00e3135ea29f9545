"""Labels from sub-folders and from dataset.json."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from projgan.data.labels import labels_from_file, labels_from_folders
from projgan.data.scan import FolderSource
from projgan.errors import DataError, UsageError


def test_first_level_folders_are_classes() -> None:
    labels = labels_from_folders(["cat/a.png", "cat/kitten/b.png", "dog/a.png"])
    assert labels is not None
    assert labels.class_names == ["cat", "dog"]
    assert labels.of == {"cat/a.png": 0, "cat/kitten/b.png": 0, "dog/a.png": 1}


@pytest.mark.parametrize(
    "names", [["a.png", "dog/a.png", "cat/b.png"], ["cat/a.png", "cat/b.png"], ["a.png"]]
)
def test_no_classes_unless_every_picture_has_one_of_two_folders(names: list[str]) -> None:
    assert labels_from_folders(names) is None


def source(folder: Path, content: object) -> FolderSource:
    for name in ("a.png", "b/c.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(b"x")
    (folder / "dataset.json").write_text(
        content if isinstance(content, str) else json.dumps(content)
    )
    return FolderSource(folder)


def test_dataset_json_is_read(tmp_path: Path) -> None:
    labels = labels_from_file(
        source(tmp_path, {"labels": [["a.png", 2], ["b/c.png", 0], ["gone.png", 1]]})
    )
    assert labels is not None
    assert labels.of["a.png"] == 2 and labels.of["b/c.png"] == 0
    assert labels.class_names == ["0", "1", "2"]


def test_dataset_json_may_say_that_there_are_none(tmp_path: Path) -> None:
    assert labels_from_file(source(tmp_path, {"labels": None})) is None


@pytest.mark.parametrize(
    "content",
    [
        "not json",
        "[1]",
        "[" * 100_000,
        {"other": 1},
        {"labels": 3},
        {"labels": [["a.png"]]},
        {"labels": [["a.png", 0.5], ["b/c.png", 0]]},
        {"labels": [["a.png", -1], ["b/c.png", 0]]},
        {"labels": [["a.png", True], ["b/c.png", 0]]},
        {"labels": [["a.png", 10**9], ["b/c.png", 0]]},
        {"labels": [["a.png", 0], ["a.png", 1], ["b/c.png", 0]]},
        {"labels": [[["a.png"], 0]]},
    ],
)
def test_other_forms_are_data_errors_that_show_the_right_one(
    tmp_path: Path, content: object
) -> None:
    with pytest.raises(DataError, match='{"labels"'):
        labels_from_file(source(tmp_path, content))


def test_vectors_as_labels_are_refused_by_name(tmp_path: Path) -> None:
    vectors = {"labels": [["a.png", [0.1, 0.9]], ["b/c.png", [1.0, 0.0]]]}
    with pytest.raises(UsageError, match="vectors of numbers") as caught:
        labels_from_file(source(tmp_path, vectors))
    assert "class number" in caught.value.next_command


@pytest.mark.parametrize("names", [["x", "x", "y"], ["x", "y"], ["x", "y", 3], "xyz"])
def test_names_that_tell_no_classes_apart_give_way_to_numbers(
    tmp_path: Path, names: object
) -> None:
    labels = {"labels": [["a.png", 2], ["b/c.png", 0]], "class_names": names}
    read = labels_from_file(source(tmp_path, labels))
    assert read is not None and read.class_names == ["0", "1", "2"]


def test_a_picture_without_label_is_named(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"no label for 1 pictures: b/c\.png"):
        labels_from_file(source(tmp_path, {"labels": [["a.png", 0]]}))
