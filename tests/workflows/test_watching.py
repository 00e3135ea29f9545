"""What follows from measurements: the best snapshot, an early end, and ways out of a collapse.

Figures are scripted: functions of how far the run is, so that a resumed run finds the same.
"""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from projgan.errors import DivergedError, StoppedBySignal
from projgan.snapshot import Snapshot, find_snapshot, read_about, read_figures
from projgan.training import health as health_module
from projgan.training.checkpoint import find_latest
from projgan.training.health import COLLAPSE, DIVERGED, LEARNING
from projgan.training.history import read_history
from projgan.training.state import TrainingState
from projgan.workflows import rollback as rollback_module
from projgan.workflows.measure import Measure
from projgan.workflows.sitting import TrainResult
from projgan.workflows.train import resume, train
from projgan.workflows.watch import Watch
from tiny import tiny_options, write_pictures

BATCH, IMAGES = 4, 24  # six steps, each of them measured
TIMES = ("images_per_s", "elapsed_s", "memory_mb", "measure_s")
HEALTHY = {"spacing": 7.0, "spacing_reals": 10.0, "kid_spread": 0.001, "measure_s": 0.5}
ALIKE = HEALTHY | {"spacing": 0.1}
Script = Callable[[Snapshot], dict[str, Any]]


class Listener(Watch):
    """Collects notes; sends this process a signal, or spoils a weight, where it is told to."""

    def __init__(
        self, stop_at: tuple[int, int] | None = None, spoil_at: tuple[int, int] | None = None
    ) -> None:
        self.notes: list[str] = []
        self.stop_at, self.spoil_at = stop_at, spoil_at

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, state: TrainingState) -> None:
        if (state.rollbacks, state.step) == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)
        if (state.rollbacks, state.step) == self.spoil_at:
            with torch.no_grad():
                next(state.generator.parameters()).fill_(float("nan"))

    def health(self) -> list[str]:
        return [note for note in self.notes if note.startswith("health: ")]


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module", autouse=True)
def settled_at_once() -> Any:
    """Runs of six steps count as if they had settled."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(health_module, "Thresholds", partial(health_module.Thresholds, settling=0))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


def options(**changes: str) -> dict[str, str]:
    usual = {
        "training__images": str(IMAGES),
        "training__log_every": "12",
        "training__sample_every": "12",
        "training__snapshot_every": "8",
        "metrics__every": "4",
    }
    return tiny_options(**usual | changes)


def play(monkeypatch: pytest.MonkeyPatch, script: Script) -> None:
    monkeypatch.setattr(Measure, "__call__", lambda self, snapshot: script(snapshot))


def kid(*values: float) -> Script:
    """The judge's figure at each measurement, and health otherwise."""
    return lambda snapshot: HEALTHY | {"kid_lite1": values[snapshot.images_seen // BATCH - 1]}


def falls_once(run: Path) -> Script:
    """Better until the second measurement; then alike, until the run has been taken back."""

    def script(snapshot: Snapshot) -> dict[str, Any]:
        place = snapshot.images_seen // BATCH
        history = run / "history.jsonl"  # not there yet at the first measurement
        has_gone_back = history.exists() and '"event": "rollback"' in history.read_text()
        has_fallen = place > 2 and not has_gone_back
        return (ALIKE if has_fallen else HEALTHY) | {"kid_lite1": 0.5 - 0.05 * min(place, 2)}

    return script


def events(run: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "history.jsonl").read_text().splitlines()]
    return [line for line in lines if line.get("event") == name]


def contents(run: Path) -> dict[str, torch.Tensor]:
    """All tensors of the newest checkpoint and of the best snapshot."""
    newest = max((run / "checkpoints").glob("step-*"))
    files = [*sorted(newest.glob("*.safetensors")), run / "snapshots/best/generator.safetensors"]
    return {f"{f.parent.name}/{f.stem}/{k}": v for f in files for k, v in load_file(f).items()}


def require_equal(one: Path, other: Path) -> None:
    first, second = contents(one), contents(other)
    assert first.keys() == second.keys()
    assert [key for key in first if not torch.equal(first[key], second[key])] == []
    rows = [
        [{k: v for k, v in row.items() if k not in TIMES} for row in read_history(path)]
        for path in (one / "history.jsonl", other / "history.jsonl")
    ]
    assert rows[0] == rows[1]


def test_the_best_snapshot_is_kept_with_its_figures(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, kid(0.5, 0.4, 0.45, 0.4, 0.6, 0.7))
    keeping = options(metrics__stop_when_flat="9", training__keep_snapshots="1")
    run = train(pictures, out=tmp_path / "run", options=keeping).run
    assert sorted(p.name for p in (run / "snapshots").iterdir()) == ["000000024", "best"]
    assert find_snapshot(run).name == "000000024"  # the best is asked for by its name
    assert read_about(run / "snapshots/best")[1] == 8
    assert read_figures(run / "snapshots/best") == {
        k: v for k, v in HEALTHY.items() if k != "measure_s"
    } | {"kid_lite1": 0.4}
    assert read_figures(run / "snapshots/000000024") == {}
    images = Snapshot.load(run / "snapshots/best", device="cpu").sample([0])
    assert not torch.equal(images, Snapshot.load(run, device="cpu").sample([0]))
    rows = read_history(run / "history.jsonl")
    assert [row["kid_lite1"] for row in rows if "kid_lite1" in row] == [
        0.5, 0.4, 0.45, 0.4, 0.6, 0.7
    ]  # fmt: skip
    assert {row["state"] for row in rows} == {LEARNING}
    losses = [row for row in rows if "loss_g" in row]
    assert len(losses) == 2
    for row in losses:
        assert row["grad_norm_g"] > 0
        assert row["grad_norm_d"] > 0
        assert len(row["heads_real"]) == len(row["heads_fake"]) == 4


def of_weights(snapshot: Snapshot) -> dict[str, Any]:
    """Figures that differ as soon as one weight does."""
    total = sum(float(p.double().abs().sum()) for p in snapshot.generator.parameters())
    return HEALTHY | {"kid_lite1": total}


def test_a_resumed_run_with_metrics_is_the_one_that_never_stopped(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, of_weights)
    measured = options(metrics__stop_when_flat="9")
    straight = train(pictures, out=tmp_path / "straight", options=measured).run
    with pytest.raises(StoppedBySignal):
        train(pictures, out=tmp_path / "run", options=measured, watch=Listener((0, 3)))
    require_equal(straight, resume(tmp_path / "run").run)


@pytest.fixture(scope="module")
def plain(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in which nothing is measured."""
    run = tmp_path_factory.mktemp("plain") / "run"
    return train(pictures, out=run, options=options(metrics__every="0")).run


def test_metrics_change_no_weight(
    plain: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, of_weights)
    measured = options(metrics__stop_when_flat="9")
    run = train(pictures, out=tmp_path / "run", options=measured).run
    one, other = (find_latest(path / "checkpoints")[0] for path in (plain, run))
    assert one is not None
    assert other is not None
    for file in one.folder.glob("*.safetensors"):
        assert file.read_bytes() == (other.folder / file.name).read_bytes(), file.name


def test_a_flat_run_ends_and_goes_on_if_it_is_told_to(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, kid(0.5, 0.4, 0.4, 0.3995, 0.1, 0.1))
    listener = Listener()
    flat = options(metrics__stop_when_flat="2")
    result = train(pictures, out=tmp_path / "run", options=flat, watch=listener)
    run, reason = result.run, "2 measurements without a better kid_lite1"
    assert (result.images_seen, result.ended) == (16, reason)
    assert f"the run ends: {reason}" in listener.notes
    assert [event["images_seen"] for event in events(run, "flat")] == [16]
    assert (run / "samples/000000016.png").is_file()  # as at the end of every run
    assert max((run / "checkpoints").glob("step-*")).name == "step-00000004"
    again: TrainResult = resume(run)
    assert (again.images_seen, again.ended) == (16, reason)
    further = resume(run, options={"metrics.stop_when_flat": "0"})
    assert (further.images_seen, further.ended) == (IMAGES, "")


def test_a_collapse_is_told_once_and_goes_on(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(snapshot: Snapshot) -> dict[str, Any]:
        return (HEALTHY if snapshot.images_seen == 4 else ALIKE) | {"kid_lite1": 0.5}

    play(monkeypatch, script)
    monkeypatch.setattr(Measure, "is_due", lambda self, elapsed_s, measured_s: True)
    listener = Listener()
    result = train(pictures, out=tmp_path / "run", options=options(), watch=listener)
    assert result.images_seen == IMAGES
    (told,) = listener.health()
    assert told.startswith("health: collapse after 12 images: a sample and the one most like it ")
    assert "--on-collapse rollback" in told
    (event,) = events(result.run, "health")
    assert (event["state"], event["before"], event["images_seen"]) == (COLLAPSE, LEARNING, 12)
    assert read_about(result.run / "snapshots/best")[1] == 4


def test_a_run_that_is_to_stop_at_a_collapse_saves_and_says_so(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = tmp_path / "run"
    play(monkeypatch, falls_once(run))
    with pytest.raises(DivergedError, match="collapse after 16 images") as caught:
        train(pictures, out=run, options=options(health__on_collapse="stop"))
    assert caught.value.exit_code == 6
    assert Path(caught.value.safe).name == "step-00000004"
    assert caught.value.next_command.startswith(f"projgan sample {run}/snapshots/best")
    assert read_about(run / "snapshots/best")[1] == 8


BACK = {"health__on_collapse": "rollback", "health__rollbacks": "1"}


@pytest.fixture(scope="module")
def straight(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that fell, was taken back, and never stopped."""
    run = tmp_path_factory.mktemp("straight") / "run"
    listener = Listener()
    with pytest.MonkeyPatch.context() as patch:
        play(patch, falls_once(run))
        result = train(pictures, out=run, options=options(**BACK), watch=listener)
    assert result.images_seen == IMAGES
    assert any("back to 8 images with other latents" in note for note in listener.notes)
    return run


def test_a_rollback_goes_back_to_the_best_with_other_latents_and_stronger_augmentation(
    straight: Path, plain: Path
) -> None:
    (event,) = events(straight, "rollback")
    assert (event["images_seen"], event["fallen_at"], event["number"]) == (8, 16, 1)
    assert (event["reason"], event["augment_p"]) == ("collapse after 16 images", 0.25)
    rows = [row for row in read_history(straight / "history.jsonl") if "kid_lite1" in row]
    assert [row["images_seen"] for row in rows] == [4, 8, 12, 16, 20, 24]
    assert {row["state"] for row in rows} == {LEARNING}
    newest, _ = find_latest(straight / "checkpoints")
    assert newest is not None
    assert newest.counters["rollbacks"] == 1
    assert newest.counters["controller"]["p"] == 0.25
    assert newest.config.augment.adaptive == ()  # the config is as the user chose it
    mine, other = (load_file(max((r / "checkpoints").glob("step-*")) / "generator.safetensors")
                   for r in (straight, plain))  # fmt: skip
    assert any(not torch.equal(mine[key], other[key]) for key in mine)


def test_a_rollback_over_many_checkpoints_keeps_the_one_it_went_back_to(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two are kept, and two later ones are forgotten: they must not crowd it out."""
    run, left = tmp_path / "run", []
    play(monkeypatch, falls_once(run))

    def spy(*arguments: Any, reason: str) -> None:
        rollback_module.roll_back(*arguments, reason=reason)
        left.extend(path.name for path in (run / "checkpoints").glob("step-*"))

    monkeypatch.setattr("projgan.workflows.course.roll_back", spy)
    train(pictures, out=run, options=options(**BACK, training__checkpoint_every="4"))
    assert left == ["step-00000002"]


@pytest.mark.parametrize(
    "place", [(1, 3), *(pytest.param(place, marks=pytest.mark.slow) for place in ((0, 3), (1, 5)))]
)
def test_a_run_with_a_rollback_resumes_exactly(
    straight: Path,
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    place: tuple[int, int],
) -> None:
    run = tmp_path / "run"
    play(monkeypatch, falls_once(run))
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=options(**BACK), watch=Listener(place))
    resume(run)
    require_equal(straight, run)


class Crash(BaseException):
    """The process ends here."""


@pytest.mark.parametrize("place", ["restore", "forget_after"])
def test_a_crash_in_a_rollback_is_harmless(
    straight: Path, pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    run = tmp_path / "run"
    play(monkeypatch, falls_once(run))
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(rollback_module, place, _crash)
        train(pictures, out=run, options=options(**BACK))
    resume(run)
    require_equal(straight, run)


def _crash(*arguments: object) -> None:
    raise Crash


def test_rollbacks_come_to_an_end(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def script(snapshot: Snapshot) -> dict[str, Any]:
        return (ALIKE if snapshot.images_seen > 4 else HEALTHY) | {"kid_lite1": 0.5}

    play(monkeypatch, script)
    run = tmp_path / "run"
    with pytest.raises(DivergedError, match="collapse after 12 images"):
        train(pictures, out=run, options=options(**BACK))
    assert len(events(run, "rollback")) == 1


def test_numbers_that_are_not_finite_are_taken_back_too(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    play(monkeypatch, kid(0.5, 0.4, 0.3, 0.3, 0.3, 0.3))
    spoiled = Listener(spoil_at=(0, 3))
    result = train(pictures, out=tmp_path / "run", options=options(**BACK), watch=spoiled)
    assert result.images_seen == IMAGES
    (event,) = events(result.run, "rollback")
    assert event["images_seen"] == 8  # spoiled before the third measurement was saved
    assert "is not finite" in event["reason"]
    (told,) = events(result.run, "health")
    assert told["state"] == DIVERGED
    assert all(torch.isfinite(t).all() for t in contents(result.run).values())


def test_numbers_that_are_not_finite_stop_a_run_otherwise(pictures: Path, tmp_path: Path) -> None:
    spoiled = Listener(spoil_at=(0, 1))
    with pytest.raises(DivergedError, match="is not finite at step 1"):
        train(pictures, out=tmp_path / "run", options=options(), watch=spoiled)
    (told,) = events(tmp_path / "run", "health")
    assert told["state"] == DIVERGED
    assert len(spoiled.health()) == 1
