"""Runs that start from another one: what is saved and noted, and exact resume without it."""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from projgan import storage
from projgan.config.load import load_config
from projgan.errors import CheckpointError, StoppedBySignal, UsageError
from projgan.training.history import read_history
from projgan.training.state import TrainingState
from projgan.workflows.train import resume, train
from projgan.workflows.watch import Watch
from tiny import tiny_options, write_pictures

IMAGES = 12  # three steps of four
CHANGES = {
    "training__freeze_heads": "1",
    "training__freeze_generator": "2",
    "training__checkpoint_every": "100",
    "training__snapshot_every": "100",
}


class Notes(Watch):
    """Keeps notes, and sends this process a signal during a step."""

    def __init__(self, stop_at: int = 0) -> None:
        self.notes: list[str] = []
        self.stop_at = stop_at

    def note(self, text: str) -> None:
        self.notes.append(text)

    def step(self, state: TrainingState) -> None:
        if state.step == self.stop_at:
            os.kill(os.getpid(), signal.SIGTERM)


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with pictures, and a source run on them."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(folder / "cache"))
        write_pictures(folder / "pictures")
        train(folder / "pictures", out=folder / "source", images=16, options=tiny_options())
        yield folder


@pytest.fixture(scope="module")
def straight(work: Path) -> Path:
    """A run from the source that never stopped."""
    return go(work, work / "source", work / "straight")


@pytest.fixture
def source(work: Path, tmp_path: Path) -> Path:
    """A copy of the source run that may be taken away."""
    shutil.copytree(work / "source", tmp_path / "source")
    return tmp_path / "source"


def go(work: Path, source: Path, out: Path, watch: Watch | None = None, **changes: str) -> Path:
    options = tiny_options(**CHANGES | changes)
    return train(
        work / "pictures", out=out, start_from=source, images=IMAGES, options=options, watch=watch
    ).run


def last_tensors(run: Path) -> dict[str, torch.Tensor]:
    newest = max((run / "checkpoints").glob("step-*"))
    assert newest.name == "step-00000003"
    return {
        f"{file.stem}/{key}": value
        for file in newest.glob("*.safetensors")
        for key, value in load_file(file).items()
    }


def differing(one: Path, other: Path) -> list[str]:
    first, second = last_tensors(one), last_tensors(other)
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


def test_it_goes_on_from_the_source_and_says_so(work: Path, tmp_path: Path) -> None:
    watch = Notes()
    run = go(work, work / "source", tmp_path / "run", watch)
    taken = (work / "source/checkpoints/step-00000004").resolve()
    config = json.loads((run / "config.json").read_text())
    digest = storage.digest_of(taken)
    assert config["transfer"] == {"source": str(taken), "digest": digest}
    assert config["training"]["ema_rampup"] == 0
    assert (config["training"]["freeze_heads"], config["training"]["freeze_generator"]) == (1, 2)
    event = json.loads((run / "history.jsonl").read_text().splitlines()[0])
    assert (event["event"], event["source"], event["digest"]) == ("transfer", str(taken), digest)
    assert (event["source_images_seen"], event["generator_fresh"]) == (16, [])
    assert event["discriminator_taken"] > 0 and "same projection" in event["discriminator"]
    assert [row["images_seen"] for row in read_history(run / "history.jsonl")] == [8, 12]
    assert any(note.startswith(f"starting from {taken} (after 16 images)") for note in watch.notes)
    assert any("9 of 9 parts taken over" in note for note in watch.notes)
    # The first grid is the source's last one.
    first, last = run / "samples/000000000.png", work / "source/samples/000000016.png"
    assert first.read_bytes() == last.read_bytes()
    learned, begun = last_tensors(run), load_file(taken / "generator.safetensors")
    assert torch.equal(learned["generator/start.conv.weight"], begun["start.conv.weight"])
    assert not torch.equal(learned["generator/to_image.weight"], begun["to_image.weight"])
    # A snapshot tells no paths.
    about = json.loads((run / "snapshots/000000012/snapshot.json").read_text())
    assert about["config"]["transfer"]["source"] == "step-00000004"


@pytest.mark.parametrize("stop_at", [1, 2])
def test_resume_is_exact_and_needs_no_source(
    work: Path, straight: Path, source: Path, tmp_path: Path, stop_at: int
) -> None:
    """Also after a kill before the first save: the checkpoint at step 0 holds what came over."""
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        go(work, source, run, Notes(stop_at))
    shutil.rmtree(source)
    if stop_at == 1:
        shutil.rmtree(run / "checkpoints/step-00000001")
        assert [path.name for path in (run / "checkpoints").iterdir()] == ["step-00000000"]
    resume(run)
    assert differing(straight, run) == []
    moments = load_file(run / "checkpoints/step-00000003/optimizer_g.safetensors")
    assert moments and not [key for key in moments if key.startswith("start.")]


def test_without_any_checkpoint_the_source_is_asked_again(
    work: Path, straight: Path, source: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        go(work, source, run, Notes(stop_at=1))
    for folder in (run / "checkpoints").iterdir():
        shutil.rmtree(folder)
    source.rename(tmp_path / "moved")
    with pytest.raises(UsageError, match="no such folder"):
        resume(run)
    moved = tmp_path / "moved/checkpoints"
    with pytest.raises(CheckpointError, match="another digest"):
        resume(run, options={"transfer.source": str(moved / "step-00000002")})
    resume(run, options={"transfer.source": str(moved / "step-00000004")})
    assert differing(straight, run) == []


def test_a_source_that_changed_since_is_refused(work: Path, source: Path, tmp_path: Path) -> None:
    config = tmp_path / "pinned.json"
    config.write_text(json.dumps({"transfer": {"source": str(source), "digest": "0" * 64}}))
    with pytest.raises(CheckpointError, match="another digest"):
        train(work / "pictures", out=tmp_path / "run", config_file=config, options=tiny_options())
    assert not (tmp_path / "run").exists()


def test_freezing_and_source_cannot_change_on_resume(
    work: Path, source: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        go(work, source, run, Notes(stop_at=1))
    for key, value in (("training.freeze_heads", "0"), ("transfer.digest", "0" * 64)):
        with pytest.raises(UsageError, match=key):
            resume(run, options={key: value})


def test_what_is_frozen_without_having_learned_is_said(work: Path, tmp_path: Path) -> None:
    watch = Notes()
    options = tiny_options(training__images="4", training__freeze_generator="1")
    train(work / "pictures", out=tmp_path / "one", options=options, watch=watch)
    assert any("frozen that have learned nothing" in note for note in watch.notes)
    watch = Notes()
    options["generator.z_dim"] = "8"
    source = work / "source"
    train(work / "pictures", out=tmp_path / "two", start_from=source, options=options, watch=watch)
    assert any(note.startswith("frozen with fresh weights: start.conv") for note in watch.notes)


def test_the_ramp_up_is_off_unless_it_is_asked_for(tmp_path: Path) -> None:
    source = {"transfer.source": "runs/a"}
    assert load_config(preset="demo").training.ema_rampup == 0.05
    assert load_config(preset="demo", options=source).training.ema_rampup == 0
    asked = source | {"training.ema_rampup": "0.1"}
    assert load_config(preset="demo", options=asked).training.ema_rampup == 0.1
    file = tmp_path / "my.yaml"
    file.write_text("transfer: {source: runs/a}\ntraining: {ema_rampup: 0.2}\n")
    assert load_config(file=file).training.ema_rampup == 0.2
