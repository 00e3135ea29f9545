import errno
import json
from pathlib import Path

import pytest
import torch

from projgan import storage
from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.errors import CheckpointError, DivergedError, ResourceError
from projgan.training import checkpoint as module
from projgan.training.checkpoint import find_latest, prune, restore, save_checkpoint
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config


@pytest.fixture(scope="module")
def config() -> RunConfig:
    return tiny_config()


@pytest.fixture(scope="module")
def trained(config: RunConfig) -> TrainingState:
    state = new_state(config)
    TrainStep(config, make_augment(config))(state, reals())
    return state


def save(root: Path, state: TrainingState, config: RunConfig, *, step: int = 1) -> Path:
    root.mkdir(exist_ok=True)
    before, state.step = state.step, step
    try:
        return save_checkpoint(root, state, config, fingerprint="f", hashes={"a.png": "1"})
    finally:
        state.step = before


def test_restore_gives_every_tensor_back(
    tmp_path: Path, trained: TrainingState, config: RunConfig
) -> None:
    save(tmp_path, trained, config)
    checkpoint, problems = find_latest(tmp_path)
    assert checkpoint is not None and not problems
    assert checkpoint.config == config
    assert checkpoint.hashes == {"a.png": "1"}
    fresh = new_state(config)
    restore(checkpoint, fresh)
    for name, module_ in module._modules(trained):
        for (key, old), new in zip(
            module_.state_dict().items(),
            dict(module._modules(fresh))[name].state_dict().values(),
            strict=True,
        ):
            assert torch.equal(old, new), f"{name}.{key}"
    for optimizer in ("optimizer_g", "optimizer_d"):
        old_state, new_state_ = getattr(trained, optimizer).state, getattr(fresh, optimizer).state
        for old, new in zip(old_state.values(), new_state_.values(), strict=True):
            assert old.keys() == new.keys()
            for kind in old:
                assert torch.equal(old[kind], new[kind])
                assert old[kind].stride() == new[kind].stride(), "the memory layout was lost"
    assert (fresh.step, fresh.images_seen) == (1, 4)
    assert fresh.averages.means() == trained.averages.means()


def test_every_file_is_verified(tmp_path: Path, trained: TrainingState, config: RunConfig) -> None:
    """A flipped byte, a cut and a missing file are each found, and the checkpoint before it is
    used."""
    save(tmp_path, trained, config, step=1)
    newest = save(tmp_path, trained, config, step=2)
    files = sorted(path for path in newest.iterdir())
    assert len(files) == 9
    for path in files:
        content = path.read_bytes()
        flipped = bytearray(content)
        flipped[len(content) // 2] ^= 1
        for damage in (bytes(flipped), content[:-1], None):
            path.unlink()
            if damage is not None:
                path.write_bytes(damage)
            checkpoint, problems = find_latest(tmp_path)
            assert checkpoint is not None and checkpoint.folder.name == "step-00000001", path.name
            assert len(problems) == 1 and "step-00000002" in problems[0]
        path.write_bytes(content)
    checkpoint, problems = find_latest(tmp_path)
    assert checkpoint is not None and checkpoint.folder == newest and not problems


def test_a_damaged_checkpoint_is_replaced_when_its_step_comes_again(
    tmp_path: Path, trained: TrainingState, config: RunConfig
) -> None:
    folder = save(tmp_path, trained, config)
    before = (folder / "manifest.json").stat().st_mtime_ns
    save(tmp_path, trained, config)
    assert (folder / "manifest.json").stat().st_mtime_ns == before, "a whole one is left alone"
    (folder / "generator.safetensors").write_bytes(b"damaged")
    save(tmp_path, trained, config)
    storage.verify_folder(folder)
    assert [path.name for path in tmp_path.iterdir()] == [folder.name]


def test_no_whole_checkpoint_is_an_error_and_deletes_nothing(
    tmp_path: Path, trained: TrainingState, config: RunConfig
) -> None:
    folder = save(tmp_path, trained, config)
    (folder / "state.json").write_text("{}")
    with pytest.raises(CheckpointError) as caught:
        find_latest(tmp_path)
    assert caught.value.exit_code == 4
    assert folder.is_dir()


def test_a_checkpoint_of_another_network_does_not_fit(
    tmp_path: Path, trained: TrainingState, config: RunConfig
) -> None:
    save(tmp_path, trained, config)
    checkpoint, _ = find_latest(tmp_path)
    assert checkpoint is not None
    with pytest.raises(CheckpointError, match="does not fit"):
        restore(checkpoint, new_state(tiny_config(generator__width="16")))


def test_interrupted_saves_are_ignored_and_swept(
    tmp_path: Path, trained: TrainingState, config: RunConfig
) -> None:
    leftover = tmp_path / ".writing-step-00000009-123"
    leftover.mkdir(parents=True)
    (leftover / "generator.safetensors").write_bytes(b"half")
    for step in (1, 2, 3):
        save(tmp_path, trained, config, step=step)
        prune(tmp_path, 2)
    checkpoint, _ = find_latest(tmp_path)
    assert checkpoint is not None and checkpoint.folder.name == "step-00000003"
    assert storage.sweep(tmp_path) == [leftover.name]
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step-00000002", "step-00000003"]


def test_a_state_that_is_not_finite_is_never_saved(tmp_path: Path, config: RunConfig) -> None:
    state = new_state(config)
    with torch.no_grad():
        next(state.generator_ema.parameters())[0, 0] = float("inf")
    with pytest.raises(DivergedError, match="generator_ema"):
        save(tmp_path, state, config)
    assert not list(tmp_path.iterdir())


def test_full_disk_keeps_the_old_checkpoint_and_leaves_nothing_behind(
    tmp_path: Path, trained: TrainingState, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    old = save(tmp_path, trained, config, step=1)
    attempts = []

    def full(*args: object) -> None:
        attempts.append(args)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(module, "write_tensors", full)
    monkeypatch.setattr(storage, "_RETRY_AFTER_S", 0.0)
    with pytest.raises(ResourceError, match="disk is full.*MB needed") as caught:
        save(tmp_path, trained, config, step=2)
    assert caught.value.exit_code == 5
    assert "projgan resume" in caught.value.next_command
    assert len(attempts) == 2, "a full disk is tried once more"
    assert [p.name for p in tmp_path.iterdir()] == [old.name]
    storage.verify_folder(old)


def test_too_little_space_is_refused_before_writing(
    tmp_path: Path, trained: TrainingState, config: RunConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = []
    monkeypatch.setattr(module, "write_tensors", lambda *args: written.append(args))
    monkeypatch.setattr(storage, "_RETRY_AFTER_S", 0.0)
    monkeypatch.setattr(
        storage.shutil, "disk_usage", lambda path: type("Usage", (), {"free": 1000})()
    )
    with pytest.raises(ResourceError, match="disk is full"):
        save(tmp_path, trained, config)
    assert not written


def test_state_json_holds_plain_numbers(
    tmp_path: Path, trained: TrainingState, config: RunConfig
) -> None:
    folder = save(tmp_path, trained, config)
    counters = json.loads((folder / "state.json").read_text())
    assert counters["images_seen"] == 4
    assert counters["fingerprint"] == "f"
