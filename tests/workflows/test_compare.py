"""A comparison from end to end: its runs, files, turns, and how it is taken up again."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from notes import Notes
from projgan.errors import DataError, DivergedError, StoppedBySignal, UsageError
from projgan.training.history import read_history
from projgan.training.step import TrainStep
from projgan.workflows.compare import compare
from projgan.workflows.comparison.outcomes import Comparison
from projgan.workflows.distance import Lite1Distance
from projgan.workflows.train import train
from projgan.workflows.use import sample
from projgan.workflows.watch import Watch
from tiny import tiny_options, write_pictures

CONTENDERS = ("two: heads.count=2", "half: optimizer.lr_g=1e-4")
OPTIONS = {
    key: value
    for key, value in tiny_options().items()
    if key not in ("training.images", "training.sample_every")
}
TIMES = ("images_per_s", "elapsed_s", "memory_mb")


@pytest.fixture(scope="module", autouse=True)
def settled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        # Charts are slow.
        patch.setattr("projgan.workflows.recorder.draw_chart", lambda *rows, title, loss: None)
        threads = torch.get_num_threads()
        yield
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


def run(pictures: Path, out: Path, **changes: Any) -> Comparison:
    terms: dict[str, Any] = {
        "presets": ["demo"],
        "contenders": CONTENDERS,
        "images": 16,
        "every": 8,
        "seeds": (0,),
        "samples": 4,
        "options": OPTIONS,
    }
    return compare(pictures, out=out, **(terms | changes))


class StopIn(Watch):
    """Sends this process a signal in the first step of a turn of the given run."""

    def __init__(self, label: str, turn: int = 1) -> None:
        self.label, self.left = label, turn

    def progress(self, label: str, done: int, total: int) -> None:
        if label == self.label and done == 4:
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def finished(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Comparison, Notes]:
    notes = Notes()
    return run(pictures, tmp_path_factory.mktemp("compared") / "out", watch=notes), notes


@pytest.fixture(autouse=True)
def quick_chart(monkeypatch: pytest.MonkeyPatch) -> None:
    """All but the comparison of `finished` do without the real chart, which takes long to draw."""
    draw = "projgan.workflows.compare.draw_comparison"
    monkeypatch.setattr(draw, lambda comparison: comparison.chart.touch())


def weights(folder: Path) -> dict[str, torch.Tensor]:
    newest = max((folder / "checkpoints").glob("step-*"))
    return {
        f"{file.stem}/{key}": value
        for file in sorted(newest.glob("*.safetensors"))
        for key, value in load_file(file).items()
    }


def history(folder: Path) -> list[dict[str, Any]]:
    rows = read_history(folder / "history.jsonl")
    return [{k: v for k, v in row.items() if k not in TIMES} for row in rows]


def assert_same_run(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert len(first) > 100 and first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    assert history(one) == history(other)


def test_files_and_figures(finished: tuple[Comparison, Notes]) -> None:
    comparison, _ = finished
    names = {path.name for path in comparison.root.iterdir()}
    assert names == {".lock", "compare.json", "compare.md", "compare.png", "runs", "samples.png"}
    assert sorted(path.name for path in (comparison.root / "runs").iterdir()) == [
        "half-seed0",
        "two-seed0",
    ]
    values = json.loads(comparison.json.read_text())
    assert values["is_finished"] is True
    assert values["terms"]["contenders"]["two"]["config"]["heads"]["count"] == 2
    measure = values["measure"]
    assert (measure["num_reals"], measure["num_samples"]) == (6, 4)
    assert measure["floor"] > 0
    for contender in values["contenders"]:
        (one,) = contender["runs"]
        assert [point["images_seen"] for point in one["curve"]] == [0, 8, 16]
        assert one["curve"][0]["elapsed_s"] == 0 < one["curve"][1]["elapsed_s"]
        assert (one["images_seen"], one["is_finished"], one["diverged"]) == (16, True, "")
        assert contender["mean"]["curve"] == one["curve"]
    assert values["contenders"][1]["settings"] == {
        "heads.count": 4,
        "optimizer.lr_g": 1e-4,
    }
    assert "(samples.png)" in comparison.table.read_text()
    with Image.open(comparison.chart) as chart:
        assert chart.size == (1200, 600)
    with Image.open(comparison.samples) as sheet:
        sheet.load()
        # Reals and two blocks of two rows each, with text to the left.
        assert sheet.width > 10 * 96 and sheet.height > 6 * 96


def test_the_distance_is_in_the_history_too(finished: tuple[Comparison, Notes]) -> None:
    comparison, _ = finished
    for outcome in comparison.outcomes:
        folder = outcome.runs[0].folder
        rows = [row for row in read_history(folder / "history.jsonl") if "fd_lite1" in row]
        assert [row["fd_lite1"] for row in rows] == [
            point.distance for point in outcome.curves[0].points
        ]


def test_all_start_from_the_same_pictures(finished: tuple[Comparison, Notes]) -> None:
    """Equal generators, latents and seeds: before the first step nothing differs."""
    comparison, _ = finished
    first, second = (outcome.curves[0].points[0].distance for outcome in comparison.outcomes)
    assert first == second


def test_runs_take_turns(finished: tuple[Comparison, Notes]) -> None:
    _, notes = finished
    turns = [text.split(" images")[0] for text in notes.notes if "distance" in text]
    assert turns == ["two, seed 0: 8", "half, seed 0: 8", "two, seed 0: 16", "half, seed 0: 16"]


def test_a_run_in_turns_is_the_run_at_once(
    finished: tuple[Comparison, Notes], pictures: Path, tmp_path: Path
) -> None:
    comparison, _ = finished
    folder = comparison.root / "runs/half-seed0"
    options = OPTIONS | {"optimizer.lr_g": "1e-4", "training.sample_every": "8"}
    train(pictures, preset="demo", out=tmp_path / "once", images=16, options=options)
    at_once, in_turns = history(tmp_path / "once"), history(folder)
    assert [row for row in in_turns if "fd_lite1" not in row] == at_once
    first, second = weights(tmp_path / "once"), weights(folder)
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    for name in ("config.json", "snapshots/000000016/generator.safetensors"):
        assert (tmp_path / "once" / name).read_bytes() == (folder / name).read_bytes()
    sample(folder, seeds=[0, 1], out=tmp_path / "grid.png", as_grid=True)
    with Image.open(tmp_path / "grid.png") as grid:
        assert grid.size == (64, 32)


def test_the_same_call_again_repeats_nothing(
    finished: tuple[Comparison, Notes], pictures: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    comparison, _ = finished
    monkeypatch.setattr(TrainStep, "__call__", None)  # a step would fail
    monkeypatch.setattr("projgan.workflows.compare.Lite1Distance", None)  # so would measuring
    comparison.chart.unlink()
    again = run(pictures, comparison.root)
    assert again == comparison
    assert comparison.chart.is_file()


def test_stopped_and_called_again(
    finished: tuple[Comparison, Notes], pictures: Path, tmp_path: Path
) -> None:
    comparison, _ = finished
    with pytest.raises(StoppedBySignal) as stopped:
        run(pictures, tmp_path / "out", watch=StopIn("half, seed 0", turn=2))
    assert stopped.value.exit_code == 128 + signal.SIGTERM
    assert stopped.value.safe == str(tmp_path / "out")
    values = json.loads((tmp_path / "out/compare.json").read_text())
    assert values["is_finished"] is False
    seen = {one["name"]: one["runs"][0]["images_seen"] for one in values["contenders"]}
    assert seen == {"two": 16, "half": 12}
    run(pictures, tmp_path / "out")
    for name in ("two", "half"):
        assert_same_run(comparison.root / f"runs/{name}-seed0", tmp_path / f"out/runs/{name}-seed0")


def test_a_signal_after_the_last_step_of_a_run_stops_the_comparison(
    pictures: Path, tmp_path: Path
) -> None:
    right = Lite1Distance.__call__

    def measure(self: Lite1Distance, snapshot: Any) -> dict[str, float]:
        if snapshot.images_seen == 8:
            os.kill(os.getpid(), signal.SIGINT)
        return right(self, snapshot)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lite1Distance, "__call__", measure)
        with pytest.raises(StoppedBySignal) as stopped:
            run(pictures, tmp_path / "out", images=8)
    assert stopped.value.exit_code == 128 + signal.SIGINT
    values = json.loads((tmp_path / "out/compare.json").read_text())
    assert [o["runs"][0]["is_finished"] for o in values["contenders"]] == [True, False]


def interrupt(*args: Any, **kwargs: Any) -> None:
    raise KeyboardInterrupt


def test_a_half_begun_run_is_no_obstacle(pictures: Path, tmp_path: Path) -> None:
    """As a kill between the folders and the config of a run would leave it."""
    (tmp_path / "out").mkdir()
    (tmp_path / "out/.lock").touch()
    with pytest.MonkeyPatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr("projgan.workflows.compare.Lite1Distance", interrupt)
        run(pictures, tmp_path / "out", images=8)
    assert json.loads((tmp_path / "out/compare.json").read_text())["measure"] is None
    for name in ("samples", "checkpoints", "snapshots"):
        (tmp_path / "out/runs/two-seed0" / name).mkdir(parents=True)
    assert run(pictures, tmp_path / "out", images=8).is_finished


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"images": 24}, "images 16 -> 24"),
        ({"every": 4}, "every 8 -> 4"),
        ({"samples": 5}, "samples 4 -> 5"),
        ({"seeds": (0, 1)}, r"seeds \[0\] -> \[0, 1\]"),
        ({"options": OPTIONS | {"training.batch": "8"}}, "training.batch 4 -> 8"),
        ({"contenders": CONTENDERS[::-1]}, None),
        ({"contenders": ("two: heads.count=2", "half: optimizer.lr_g=2e-4")}, "half.*2e-4"),
    ],
)
def test_other_terms_are_refused(
    finished: tuple[Comparison, Notes], pictures: Path, changes: dict[str, Any], message: str | None
) -> None:
    comparison, _ = finished
    before = comparison.json.read_bytes()
    if message is None:  # the order of contenders is no term of the comparison
        run(pictures, comparison.root, **changes)
        run(pictures, comparison.root)
    else:
        with pytest.raises(UsageError, match=f"began on other terms: .*{message}"):
            run(pictures, comparison.root, **changes)
    assert comparison.json.read_bytes() == before


def test_other_pictures_are_refused(
    finished: tuple[Comparison, Notes], pictures: Path, tmp_path: Path
) -> None:
    comparison, _ = finished
    folder = tmp_path / "pictures"
    write_pictures(folder, count=5)
    with pytest.raises(DataError, match="not those that this comparison began with"):
        run(folder, comparison.root)
    with pytest.raises(UsageError, match="two and half would see other pictures"):
        run(
            pictures,
            tmp_path / "out",
            contenders=("two:", "half: data.background=#000000"),
        )


def test_folders_of_others_are_refused_or_moved_aside(pictures: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds no comparison"):
        run(pictures, out)
    assert [path.name for path in out.iterdir()] == ["letter.txt"]
    run(pictures, out, images=4, every=4, overwrite=True)
    assert (tmp_path / "out.old-1/letter.txt").read_text() == "mine"
    assert (out / "compare.png").is_file()


def test_minutes_end_runs_too(pictures: Path, tmp_path: Path) -> None:
    """A thousandth of a second is over after the first step."""
    comparison = run(pictures, tmp_path / "out", images=None, minutes=1e-5)
    assert comparison.is_finished
    for outcome in comparison.outcomes:
        assert [point.images_seen for point in outcome.curves[0].points] == [0, 4]
        assert (outcome.runs[0].folder / "snapshots/000000004").is_dir()
    assert comparison.terms["images"] is None


def test_a_run_that_diverges_is_a_result(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = TrainStep._require_finite

    def wrong(self: TrainStep, state: Any, values: Any, name: str) -> None:
        if is_two(state) and state.images_seen >= 8:
            raise DivergedError(f"the {name} is not finite")
        right(self, state, values, name)

    def is_two(state: Any) -> bool:
        return bool(state.optimizer_g.param_groups[0]["lr"] != 1e-4)

    monkeypatch.setattr(TrainStep, "_require_finite", wrong)
    notes = Notes()
    comparison = run(pictures, tmp_path / "out", watch=notes)
    assert comparison.is_finished
    two, half = comparison.outcomes
    assert "is not finite" in two.runs[0].diverged and two.runs[0].images_seen == 8
    assert not half.runs[0].diverged and half.runs[0].images_seen == 16
    assert any("diverged, and takes no more turns" in text for text in notes.notes)
    assert "diverged: seed 0" in comparison.table.read_text()
    again = Notes()
    assert run(pictures, tmp_path / "out", watch=again).outcomes == comparison.outcomes
    assert not any("diverged" in text for text in again.notes)
