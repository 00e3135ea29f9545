"""A run that was stopped and resumed is the run that never stopped, to the last bit."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from notes import Notes
from projgan.errors import DataError, StoppedBySignal, UsageError
from projgan.rundir import RunDir
from projgan.training import checkpoint as checkpoint_module
from projgan.training.history import read_history
from projgan.training.state import TrainingState
from projgan.workflows.train import resume, train
from projgan.workflows.watch import Watch
from tiny import pixels_options, tiny_options, write_pictures

IMAGES = 40  # ten steps of four
TIMES = ("images_per_s", "elapsed_s", "memory_mb")


class StopAt(Watch):
    """Sends this process a signal during the given step."""

    def __init__(self, step: int, number: int = signal.SIGTERM) -> None:
        self.step_to_stop, self.number = step, number

    def step(self, state: TrainingState) -> None:
        if state.step == self.step_to_stop:
            os.kill(os.getpid(), self.number)


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_pictures(tmp_path_factory.mktemp("data") / "pictures")


def options(**changes: str) -> dict[str, str]:
    return tiny_options(training__images=str(IMAGES), training__log_every="12", **changes)


def pixels(name: str, **changes: str) -> dict[str, str]:
    changes = {"training__images": str(IMAGES), "training__log_every": "12"} | changes
    return pixels_options(name, **changes)


CONFIGS = {
    "shared": options(),
    "alternating": options(training__step="alternating", training__micro_batch="2"),
    "noisy": options(generator__name="fastgan", data__mirror="true"),
    "adaptive": options(
        augment__policy="translation,flip",
        augment__adaptive="color,cutout",
        augment__controller="balance",
        augment__kimg="0.1",
    ),
    "bf16": options(training__precision="bf16"),
    "styles": options(generator__name="stylegan2"),
    "fastgan": pixels("fastgan", training__micro_batch="2"),
    "stylegan2": pixels("stylegan2", discriminator__r1_every="3"),
    "stylegan2-alternating": pixels(
        "stylegan2",
        training__step="alternating",
        training__precision="bf16",
        discriminator__r1_every="2",
        augment__policy="translation",
        augment__adaptive="color",
        augment__controller="ada",
        augment__kimg="0.1",
    ),
    "clear": options(data__resolution="64x96", data__mode="rgba", data__mirror="true"),
}


@pytest.fixture(scope="module")
def straight(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """The run folder of a config that never stopped; trained once."""
    root, done = tmp_path_factory.mktemp("straight"), {}

    def get(name: str) -> Path:
        if name not in done:
            done[name] = train(pictures, out=root / name, options=CONFIGS[name]).run
        return done[name]

    return get


def last_tensors(run: Path) -> dict[str, torch.Tensor]:
    newest = max((run / "checkpoints").glob("step-*"))
    assert newest.name == f"step-{IMAGES // 4:08d}"
    return {
        f"{file.stem}/{key}": value
        for file in sorted(newest.glob("*.safetensors"))
        for key, value in load_file(file).items()
    }


def differing(one: Path, other: Path) -> list[str]:
    first, second = last_tensors(one), last_tensors(other)
    assert first.keys() == second.keys()
    return [key for key in first if not torch.equal(first[key], second[key])]


def stop_and_resume(pictures: Path, run: Path, config: str, *steps: int) -> None:
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS[config], watch=StopAt(steps[0]))
    for step in steps[1:]:
        with pytest.raises(StoppedBySignal):
            resume(run, watch=StopAt(step))
    resume(run)


@pytest.mark.parametrize(
    ("config", "stops"),
    [
        ("shared", (1,)),
        ("shared", (4, 5, 9)),
        ("alternating", (3,)),
        pytest.param("noisy", (5,), marks=pytest.mark.slow),
        ("adaptive", (3, 6)),
        ("bf16", (2, 7)),
        ("styles", (5,)),
        ("fastgan", (5,)),
        ("stylegan2", (2, 7)),
        ("stylegan2-alternating", (5,)),
        ("clear", (3,)),
    ],
)
def test_resumed_equals_never_stopped(
    straight: Callable[[str], Path],
    pictures: Path,
    tmp_path: Path,
    config: str,
    stops: tuple[int, ...],
) -> None:
    stop_and_resume(pictures, tmp_path / "run", config, *stops)
    assert len(last_tensors(tmp_path / "run")) > 100
    assert differing(straight(config), tmp_path / "run") == []
    for name in (f"samples/{IMAGES:09d}.png", "samples/000000016.png", "samples/reals.png"):
        assert (straight(config) / name).read_bytes() == (tmp_path / "run" / name).read_bytes()
    histories = [
        [
            {k: v for k, v in row.items() if k not in TIMES}
            for row in read_history(run / "history.jsonl")
        ]
        for run in (straight(config), tmp_path / "run")
    ]
    assert histories[0] == histories[1]
    assert [row["images_seen"] for row in histories[0]] == [12, 24, 36, 40]


def _forget_optimizer(state: TrainingState) -> None:
    state.optimizer_d.state.clear()


def _forget_moments(state: TrainingState) -> None:
    for entry in state.optimizer_g.state.values():
        entry["exp_avg_sq"].zero_()


def _forget_ema(state: TrainingState) -> None:
    state.generator_ema.load_state_dict(state.generator.state_dict())


def _forget_position(state: TrainingState) -> None:
    state.images_seen -= 4


def _forget_step(state: TrainingState) -> None:
    state.step -= 1


def _forget_batch_statistics(state: TrainingState) -> None:
    for module in state.generator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()


def _forget_spectral_vectors(state: TrainingState) -> None:
    for name, buffer in state.discriminator.heads.named_buffers():
        if name.endswith(".u"):
            buffer.copy_(torch.nn.functional.normalize(torch.ones_like(buffer), dim=0))


def _forget_norms_of_the_discriminator(state: TrainingState) -> None:
    for module in state.discriminator.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.reset_running_stats()


def _forget_p(state: TrainingState) -> None:
    state.controller.p = 0.5


def _forget_projection(state: TrainingState) -> None:
    with torch.no_grad():
        for parameter in state.discriminator.projector.parameters():
            parameter.mul_(1.01)


@pytest.mark.parametrize(
    ("config", "forget"),
    [
        ("shared", _forget_optimizer),
        ("shared", _forget_moments),
        ("shared", _forget_ema),
        ("shared", _forget_position),
        ("shared", _forget_step),
        ("shared", _forget_batch_statistics),
        ("shared", _forget_spectral_vectors),
        ("shared", _forget_projection),
        ("adaptive", _forget_p),
        ("fastgan", _forget_optimizer),
        ("fastgan", _forget_norms_of_the_discriminator),
        ("stylegan2", _forget_optimizer),
        ("stylegan2", _forget_step),
    ],
)
def test_a_resume_that_forgets_one_thing_is_caught(
    straight: Callable[[str], Path],
    pictures: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    config: str,
    forget: Callable[[TrainingState], None],
) -> None:
    """The mutants of the test above: each must make it fail."""
    import projgan.workflows.train as workflow

    right = checkpoint_module.restore

    def wrong(checkpoint: Any, state: TrainingState) -> None:
        right(checkpoint, state)
        forget(state)

    run = tmp_path / "run"
    with pytest.raises(StoppedBySignal):
        train(pictures, out=run, options=CONFIGS[config], watch=StopAt(5))
    monkeypatch.setattr(workflow, "restore", wrong)
    resume(run)
    try:
        is_caught = differing(straight(config), run) != []
    except AssertionError:
        is_caught = True  # it did not even end at the same step
    assert is_caught


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
    straight: Callable[[str], Path], pictures: Path, tmp_path: Path
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
    straight: Callable[[str], Path], pictures: Path, tmp_path: Path
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
