import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

from command import projgan
from notes import Notes
from projgan.config.load import override
from projgan.config.schema import RunConfig
from projgan.errors import UsageError
from projgan.training.history import read_history
from projgan.workflows.services import require_packages
from projgan.workflows.train import resume, train
from tiny import tiny_arguments, tiny_options, write_pictures
from tracker_fakes import install

needs_accelerate = pytest.mark.skipif(
    importlib.util.find_spec("accelerate") is None,
    reason='skipped: accelerate is not installed (pip install "projgan[trackers]")',
)
needs_tensorboard = pytest.mark.skipif(
    importlib.util.find_spec("tensorboard") is None,
    reason='skipped: tensorboard is not installed (pip install "projgan[trackers]")',
)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "secret place" / "pictures")


def options(trackers: str, **changes: str) -> dict[str, str]:
    return tiny_options(**changes) | {"tracking.trackers": trackers}


def figures_of(run: Path) -> dict[int, dict[str, float]]:
    return {
        row["images_seen"]: {
            key: value
            for key, value in row.items()
            if key != "images_seen" and isinstance(value, (int, float))
        }
        for row in read_history(run / "history.jsonl")
    }


@needs_accelerate
@needs_tensorboard
def test_tensorboard_has_what_the_history_has_also_after_a_resume(
    pictures: Path, tmp_path: Path
) -> None:
    """Read back from its event files. The second sitting starts before the end of the first, as
    after a crash, and the figures of what was lost do not stay."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = tmp_path / "run"
    train(pictures, out=run, options=options("tensorboard"), until=24)
    (run / "checkpoints/step-00000006").rename(tmp_path / "lost")
    resume(run)
    record = EventAccumulator(str(run / "tensorboard"), size_guidance={"images": 0})
    record.Reload()
    tags = record.Tags()
    expected = figures_of(run)
    assert list(expected) == [8, 16, 24, 32]
    for key in ("loss_g", "loss_d", "sign_real", "elapsed_s", "epoch"):
        told = {event.step: event.value for event in record.Scalars(key)}
        assert [event.step for event in record.Scalars(key)] == [8, 16, 24, 32]
        assert told == pytest.approx({step: row[key] for step, row in expected.items()}, rel=1e-5)
    assert "images_seen" not in tags["scalars"]
    grids = [name for name in tags["images"] if name.startswith("samples")]
    assert len(grids) == 1
    assert [event.step for event in record.Images(grids[0])] == [0, 16, 32]
    assert (record.Images(grids[0])[0].width, record.Images(grids[0])[0].height) == (64, 64)
    text = b"".join(path.read_bytes() for path in (run / "tensorboard").iterdir())
    assert b"few-shot" in text or b"z_dim" in text  # the settings
    assert b"secret place" not in text


IDS = {"wandb": "id", "mlflow": "run_id", "aim": "run_hash"}


@needs_accelerate
def test_a_resumed_run_goes_on_with_the_same_records(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Through accelerate's own classes, over stand-ins for the packages."""
    heard = {name: install(monkeypatch, name) for name in IDS}
    run = tmp_path / "run"
    train(pictures, out=run, options=options(",".join(IDS)), until=16)
    resume(run)
    expected = figures_of(run)
    saved = json.loads((run / "trackers.json").read_text())
    for name, key in IDS.items():
        first, second = heard[name]
        assert first.steps == [8, 16]
        assert second.steps == [24, 32]
        for step, figures in [*first.figures, *second.figures]:
            assert figures == expected[step]
        assert (len(first.grids), len(second.grids)) == (2, 1)
        assert first.is_finished and second.is_finished
        assert str(first.settings["training.batch"]) == "4"
        assert first.settings["data.path"] == "pictures"
        assert second.settings == {}
        assert second.opened[key] == saved[name]
        assert first.opened[key] == (saved[name] if name == "wandb" else None)


@needs_accelerate
def test_a_record_that_begins_late_has_the_whole_run(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    heard = install(monkeypatch, "wandb")
    train(pictures, out=tmp_path / "run", options=tiny_options(training__images="16"), until=8)
    assert heard == []
    assert not (tmp_path / "run/trackers.json").exists()
    resume(tmp_path / "run", options={"tracking.trackers": "wandb"})
    assert [one.steps for one in heard] == [[8, 16]]
    assert len(heard[0].grids) == 2
    assert heard[0].opened["project"] == "projgan"


@needs_accelerate
def test_trackers_that_fail_end_no_run_and_are_noted_once(
    pictures: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One cannot be opened, one breaks at its first line, and the third hears everything."""
    heard = {name: install(monkeypatch, name) for name in IDS}

    def fail(*args: Any, **words: Any) -> None:
        raise ConnectionError("the server is away\nand more")

    monkeypatch.setattr(sys.modules["wandb"], "init", fail)
    monkeypatch.setattr(sys.modules["mlflow"], "log_metrics", fail)
    watch = Notes()
    wanted = options(",".join(IDS), training__images="16")
    result = train(pictures, out=tmp_path / "run", options=wanted, watch=watch)
    assert result.images_seen == 16
    assert [note for note in watch.notes if "records no more" in note] == [
        f"{name} records no more and training goes on: the server is away"
        for name in ("wandb", "mlflow")
    ]
    assert heard["aim"][0].steps == [8, 16]


@pytest.mark.parametrize(
    "name, missing, pip",
    [
        ("tensorboard", "accelerate", 'pip install "projgan[trackers]"'),
        ("tensorboard", "tensorboard", 'pip install "projgan[trackers]"'),
        ("mlflow", "mlflow", 'pip install "projgan[trackers]" mlflow'),
    ],
)
def test_a_missing_package_is_named_with_its_pip_command(
    name: str, missing: str, pip: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda one: None if one == missing else "there"
    )
    with pytest.raises(UsageError, match=missing) as caught:
        require_packages((name,))
    assert caught.value.next_command == pip


@pytest.mark.skipif(
    importlib.util.find_spec("mlflow") is not None, reason="skipped: mlflow is installed here"
)
def test_train_refuses_before_it_starts(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos")
    words = ("train", "photos", "--track", "mlflow", *tiny_arguments())
    _, err = projgan(tmp_path, *words, code=2)
    assert "the tracker mlflow needs" in err
    assert 'pip install "projgan[trackers]" mlflow' in err
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("value", ["weights", "wandb,wandb"])
def test_trackers_are_known_and_named_once(value: str) -> None:
    with pytest.raises(UsageError):
        override(RunConfig(), {"tracking.trackers": value})
