"""Classes on the command line: training with them, and samples, tables and films by class."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from command import cells, differ, projgan
from projgan.build import make_generator
from projgan.cli.main import run
from projgan.data.drawn import write_drawn_set
from projgan.snapshot import Snapshot
from tiny import make_loud, tiny_arguments, tiny_config

SIDE = 32
CLASSES = ("cat", "dog", "cow")


@pytest.fixture(autouse=True)
def snapshots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with snapshots with and without classes, in which the commands run."""
    for name in ("stylegan2", "fastgan-lite"):
        classes = {"data__conditional": "true", "data__classes": ",".join(CLASSES)}
        for folder, options in ((name, classes), (f"plain-{name}", {})):
            config = tiny_config(generator__name=name, **options)
            snapshot = Snapshot(make_loud(make_generator(config)), config, images_seen=8)
            snapshot.save(tmp_path / folder)
    monkeypatch.chdir(tmp_path)
    yield tmp_path


def sample(*words: str, out: str = "grid.png", name: str = "fastgan-lite") -> np.ndarray:
    assert run(["sample", name, *words, "--grid", "--out", out, "--overwrite"]) == 0
    return cells(out, SIDE)


def test_a_grid_has_a_row_for_each_class_that_was_named() -> None:
    rows = sample("--seeds", "0-3", "--class", "all")
    assert rows.shape[:2] == (3, 4)
    for index, name in enumerate(CLASSES):
        one = sample("--seeds", "0-3", "--class", name, "--columns", "4")
        assert not differ(one[0], rows[index])
        assert not differ(sample("--seeds", "0-3", "--class", str(index), "--columns", "4"), one)
    assert not differ(sample("--seeds", "0-3", "--class", "cow,cat"), rows[[2, 0]])
    assert differ(rows[0], rows[1]) and differ(rows[1], rows[2])


def test_without_a_class_seeds_have_them_in_turn() -> None:
    rows = sample("--seeds", "0-2", "--class", "all")
    turns = sample("--seeds", "0-2", "--columns", "3")
    assert not differ(turns[0], rows[[0, 1, 2], [0, 1, 2]])


def test_files_are_named_by_class_and_seed(capsys: pytest.CaptureFixture[str]) -> None:
    words = ["sample", "fastgan-lite", "--seeds", "3,7", "--class", "cow,dog", "--json"]
    assert run(words) == 0
    captured = capsys.readouterr()
    names = [Path(file).name for file in json.loads(captured.out)["files"]]
    assert names == [f"class00{c}-seed00000{s}.png" for c in (2, 1) for s in (3, 7)]
    assert "class 2: cow, class 1: dog" in captured.err
    rows = sample("--seeds", "3,7", "--class", "cow,dog").reshape(4, SIDE, SIDE, 3)
    for name, expected in zip(names, rows, strict=True):
        with Image.open(Path("samples") / name) as image:
            assert not differ(np.asarray(image).astype(int), expected)


def test_a_table_mixes_within_a_class_or_between_two() -> None:
    def table(*words: str) -> np.ndarray:
        command = ["sample", "stylegan2", "--seeds", "0-1", "--mix-with", "7-8", *words]
        assert run([*command, "--out", "mix.png", "--overwrite"]) == 0
        return cells("mix.png", SIDE)

    both = table("--class", "cat,cow")
    rows = sample("--seeds", "0-1", "--class", "cat", name="stylegan2")
    columns = sample("--seeds", "7-8", "--class", "cow", name="stylegan2")
    assert not differ(both[1:, 0], rows[0]) and not differ(both[0, 1:], columns[0])
    within = table("--class", "cat")
    assert not differ(within[1:, 0], rows[0]) and differ(within[0, 1:], columns[0])
    turns = table()
    own = sample("--seeds", "0-1", name="stylegan2")
    assert not differ(turns[1:, 0], own[0])


def first_frame(*words: str) -> np.ndarray:
    command = ["interpolate", "fastgan-lite", "--frames", "2", *words, "--out", "film.webp"]
    assert run([*command, "--overwrite"]) == 0
    with Image.open("film.webp") as film:
        pixels = np.asarray(film.convert("RGB")).astype(int)
    return pixels.reshape(SIDE, -1, SIDE, 3).swapaxes(0, 1)  # (cells, R, R, 3)


def shown(cell: np.ndarray, seeds: str) -> str:
    """The class that a cell shows; films are lossy, so the nearest one."""
    frames = {name: first_frame("--seeds", seeds, "--class", name)[0] for name in CLASSES}
    return min(frames, key=lambda name: float(np.abs(cell - frames[name]).mean()))


def test_a_film_has_one_class_or_a_class_a_cell() -> None:
    assert shown(first_frame("--seeds", "0-1")[0], "0-1") == "cat"
    seeds = ("--seeds", "0-5", "--columns", "3")
    cells = first_frame(*seeds, "--class", "cow,dog")
    assert [shown(cells[i], f"{2 * i}-{2 * i + 1}") for i in range(3)] == ["cow", "dog", "cow"]
    by_turn = first_frame(*seeds)
    assert [shown(by_turn[i], f"{2 * i}-{2 * i + 1}") for i in range(3)] == list(CLASSES)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("sample", "fastgan-lite", "--class", "horse"), "known: cat, dog, cow"),
        (("sample", "fastgan-lite", "--class", "3"), "known: cat, dog, cow"),
        (("sample", "plain-fastgan-lite", "--class", "cat"), "trained without classes"),
        (("interpolate", "fastgan-lite", "--class", "cat,horse"), "unknown class 'horse'"),
        (("interpolate", "fastgan-lite", "--class", "cat,dog"), "2 classes do not fit 1 cell"),
        (("interpolate", "plain-fastgan-lite", "--class", "all"), "trained without classes"),
        (("sample", "stylegan2", "--mix-with", "1", "--class", "all"), "one class or two, not 3"),
        (("sample", "plain-stylegan2", "--mix-with", "1", "--class", "0"), "without classes"),
    ],
)
def test_what_cannot_be_done_is_refused_and_nothing_is_written(
    capsys: pytest.CaptureFixture[str], snapshots: Path, words: tuple[str, ...], message: str
) -> None:
    before = sorted(snapshots.rglob("*"))
    assert run([*words, "--out", "new/x.gif"]) == 2
    captured = capsys.readouterr()
    assert message in captured.err and captured.out == ""
    assert len(captured.err.splitlines()) <= 6
    assert sorted(snapshots.rglob("*")) == before


@pytest.mark.slow
def test_from_folders_to_samples_by_class_as_a_user_runs_it(tmp_path: Path) -> None:
    write_drawn_set(tmp_path / "flowers", count=12, size=SIDE, by_kind=True)
    kinds = sorted(path.name for path in (tmp_path / "flowers").iterdir())
    words = ("--conditional", *tiny_arguments(training__images="8"))
    _, err = projgan(tmp_path, "train", "flowers", *words)
    assert f"{len(kinds)} classes: {kinds[0]} (" in err
    projgan(tmp_path, "sample", "runs/flowers", "--seeds", "0-2", "--class", "all", "--grid")
    assert cells("samples.png", SIDE).shape[:2] == (len(kinds), 3)
    words = ("--class", f"{kinds[0]},{kinds[1]}", "--columns", "2", "--frames", "4")
    projgan(tmp_path, "interpolate", "runs/flowers", *words, "--out", "walk.gif")
    _, err = projgan(tmp_path, "sample", "runs/flowers", "--class", "oak", code=2)
    assert f"known: {', '.join(kinds)}" in err
    (tmp_path / "loose").mkdir()
    for path in (tmp_path / "flowers" / kinds[0]).iterdir():
        path.rename(tmp_path / "loose" / path.name)
    _, err = projgan(tmp_path, "train", "loose", "--conditional", *tiny_arguments(), code=2)
    assert "have no classes" in err and not (tmp_path / "runs/loose").exists()
