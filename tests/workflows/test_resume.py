"""What `resume` accepts and refuses, and what it falls back to.

That a resumed run is the run that never stopped, to the last bit: `tests/faults/test_exactness.py`.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from faults.runs import CONFIGS, IMAGES, StopAt, Straight, differing, straight_runs
from notes import Notes
from projgan.errors import DataError, StoppedBySignal, UsageError
from projgan.rundir import RunDir
from projgan.workflows.train import resume, train
from tiny import write_pictures


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


@pytest.fixture(scope="module")
def straight(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Straight:
    return straight_runs(pictures, tmp_path_factory.mktemp("straight"))


@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_saves_and_says_how_to_go_on(
    pictures: Path, tmp_path: Path, number: int, code: int
) -> None:
    with pytest.raises(StoppedBySignal) as caught:
        train(pictures, out=tmp_path / "run", options=CONFIGS["shared"], watch=StopAt(3, number))
    assert caught.value.exit_code == code
    assert caught.value.next_command == f"projgan resume {tmp_path / 'run'}"
    assert Path(caught.value.safe).name == "step-00000003"
    assert Path(caught.value.safe).is_dir()


def test_damaged_newest_checkpoint_falls_back_and_ends_the_same(
    straight: Straight, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS["shared"], watch=StopAt(7))
    newest = max((run / "checkpoints").glob("step-*"))
    assert newest.name == "step-00000007"
    (newest / "generator.safetensors").write_bytes(b"damaged")
    watch = Notes()
    resume(run, watch=watch)
    assert any("step-00000007 is damaged" in note for note in watch.notes)
    assert differing(straight("shared"), run) == []


def test_without_a_checkpoint_it_starts_again(
    straight: Straight, pictures: Path, tmp_path: Path
) -> None:
    """As after a kill before the first checkpoint."""
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS["shared"], watch=StopAt(1))
    for folder in (run / "checkpoints").iterdir():
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
    resume(run)
    assert differing(straight("shared"), run) == []


@pytest.fixture
def stopped(pictures: Path, tmp_path: Path) -> Path:
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS["shared"], watch=StopAt(2))
    return run


def test_a_setting_that_changes_steps_is_refused(stopped: Path) -> None:
    before = (stopped / "config.json").read_bytes()
    with pytest.raises(UsageError, match=r"optimizer.lr_g 0.0002 -> 0.001") as caught:
        resume(stopped, options={"optimizer.lr_g": "0.001"})
    assert caught.value.exit_code == 2
    assert (stopped / "config.json").read_bytes() == before


def test_an_edited_config_is_refused(stopped: Path) -> None:
    config = json.loads((stopped / "config.json").read_text())
    config["training"]["batch"] = 8
    (stopped / "config.json").write_text(json.dumps(config))
    with pytest.raises(UsageError, match=r"training.batch 4 -> 8"):
        resume(stopped)


def test_length_and_intervals_may_change(stopped: Path) -> None:
    result = resume(stopped, options={"training.images": "12", "training.sample_every": "4"})
    assert result.images_seen == 12
    assert RunDir(stopped).sample_grid(12).is_file()


def test_changed_pictures_are_refused_with_counts(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 5)
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(folder, out=run, options=CONFIGS["shared"], watch=StopAt(2))
    (folder / "000.png").unlink()
    (folder / "001.png").write_bytes((folder / "002.png").read_bytes())
    with pytest.raises(DataError, match="0 added, 1 removed, 1 changed") as caught:
        resume(run)
    assert caught.value.exit_code == 3
    result = resume(run, accept_data_change=True)
    assert result.images_seen == IMAGES
    assert '"data changed"' in (run / "history.jsonl").read_text()


def test_pictures_that_are_gone_are_taken_from_the_cache(tmp_path: Path) -> None:
    folder = write_pictures(tmp_path / "pictures", 5)
    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(folder, out=run, options=CONFIGS["shared"], watch=StopAt(2))
    folder.rename(tmp_path / "moved")
    assert resume(run).images_seen == IMAGES


def test_a_folder_without_a_run_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no run folder"):
        resume(tmp_path)
