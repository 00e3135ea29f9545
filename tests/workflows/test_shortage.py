"""Too little memory, or a device that fails: a smaller start, or a clean end. Planted by hooks."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from notes import Notes
from projgan.errors import ResourceError, is_device_lost, is_out_of_memory
from projgan.training import checkpoint as checkpoint_module
from projgan.training.checkpoint import find_latest
from projgan.training.history import read_history
from projgan.training.machinery import StepMachinery
from projgan.training.state import TrainingState
from projgan.workflows.shortage import next_smaller
from projgan.workflows.train import resume, train
from tiny import tiny_options, write_pictures

OPTIONS = tiny_options(
    training__images="32",
    training__checkpoint_every="12",
    training__sample_every="32",
    training__snapshot_every="32",
    training__grid_size="1",
    metrics__every="0",
)
START = OPTIONS | {"training.batch": "8", "training.images": "24"}
CUDA = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
CPU = RuntimeError(
    "[enforce fail at alloc_cpu.cpp:117] err == 0. DefaultCPUAllocator: can't allocate memory: "
    "you tried to allocate 8589934592 bytes. Error code 12 (Cannot allocate memory)"
)
LOST = RuntimeError("CUDA error: an illegal memory access was encountered\nCUDA kernel errors ...")
Fault = Callable[[StepMachinery, TrainingState], bool]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield write_pictures(tmp_path_factory.mktemp("data") / "pictures", 9)


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Callable[[BaseException, Fault], None]:
    """An error half-way through a step: the generator is updated, the discriminator is not."""
    honest = StepMachinery._apply

    def put(error: BaseException, is_due: Fault) -> None:
        def apply(self: StepMachinery, state: TrainingState, optimizer: Any, name: str) -> None:
            if name == "discriminator" and is_due(self, state):
                raise error
            honest(self, state, optimizer, name)

        monkeypatch.setattr(StepMachinery, "_apply", apply)

    return put


def tensors(run: Path) -> dict[str, torch.Tensor]:
    checkpoint, problems = find_latest(run / "checkpoints")
    assert checkpoint is not None and not problems
    assert checkpoint.counters["images_seen"] in (24, 32)
    return {
        f"{file.stem}/{key}": value
        for file in sorted(checkpoint.folder.glob("*.safetensors"))
        for key, value in load_file(file).items()
    }


def are_equal(one: Path, other: Path) -> bool:
    first, second = tensors(one), tensors(other)
    assert first.keys() == second.keys()
    return all(torch.equal(first[key], second[key]) for key in first)


def events(run: Path) -> list[dict[str, Any]]:
    lines = (run / "history.jsonl").read_text().splitlines()
    return [row for row in map(json.loads, lines) if row.get("event") == "micro-batch"]


def micro_batch_of(run: Path) -> int:
    return int(json.loads((run / "config.json").read_text())["training"]["micro_batch"])


@pytest.fixture(scope="module")
def in_twos(pictures: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run that held two pictures at once from the beginning."""
    out = tmp_path_factory.mktemp("straight") / "run"
    return train(pictures, out=out, options=START | {"training.micro_batch": "2"}).run


def test_a_start_without_room_is_made_in_smaller_parts(
    plant: Any, pictures: Path, in_twos: Path, tmp_path: Path
) -> None:
    """Even in the second step, when the first has its line: optimisers then have their moments."""
    plant(CUDA, lambda self, state: self.micro_batch > 2 and state.step == self.micro_batch // 8)
    watch = Notes()
    run = train(pictures, out=tmp_path / "run", options=START, watch=watch).run
    assert are_equal(run, in_twos)
    assert micro_batch_of(run) == 2
    told = [note for note in watch.notes if "memory" in note]
    assert ["8 pictures at once" in told[0], "4 pictures at once" in told[1]] == [True, True]
    assert "with 2 (training.micro_batch); the batch stays 8" in told[1]
    assert [(e["images_seen"], e["before"], e["micro_batch"]) for e in events(run)] == [
        (0, 8, 4),
        (0, 4, 2),
    ]
    seen = [row["images_seen"] for row in read_history(run / "history.jsonl")]
    assert seen == sorted(set(seen))  # the line of the step that did not count is gone


def test_a_resume_without_room_begins_again_from_its_checkpoint(
    plant: Any, pictures: Path, tmp_path: Path
) -> None:
    for name in ("chosen", "forced"):
        train(pictures, out=tmp_path / name, options=OPTIONS, until=12)
    chosen = resume(tmp_path / "chosen", options={"training.micro_batch": "2"}).run
    plant(CPU, lambda self, state: self.micro_batch > 2)
    forced = resume(tmp_path / "forced").run
    assert are_equal(chosen, forced)
    assert micro_batch_of(forced) == 2
    for run in (chosen, forced):
        assert [(e["images_seen"], e["before"], e["micro_batch"]) for e in events(run)] == [
            (12, 4, 2)
        ]


def test_later_it_ends_with_the_flag_that_helps_and_nothing_half_done_is_saved(
    plant: Any, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    plant(CUDA, lambda self, state: state.step == 7 and self.micro_batch > 2)
    with pytest.raises(ResourceError) as caught:
        train(pictures, out=run, options=OPTIONS)
    error = caught.value
    assert error.exit_code == 5
    assert len(error.lines()) <= 6
    assert "after 28 images, with 4 pictures at once" in error.what
    assert error.safe == f"{run}/checkpoints/step-00000006 (24 images)"
    flag = "(or, slower, --set training.recompute=true)"
    assert error.next_command == f"projgan resume {run} --set training.micro_batch=2    {flag}"
    assert sorted(p.name for p in (run / "checkpoints").iterdir()) == [
        "step-00000003",
        "step-00000006",
    ]
    assert micro_batch_of(run) == 4
    watch = Notes()
    assert resume(run, options={"training.micro_batch": "2"}, watch=watch).images_seen == 32
    assert any("2 pictures at once instead of 4" in note for note in watch.notes)
    assert [e["images_seen"] for e in events(run)] == [24]
    watch = Notes()
    resume(run, options={"training.images": "36"}, watch=watch)  # from a checkpoint in twos
    assert not any("at once" in note for note in watch.notes)


def test_two_pictures_are_the_least(plant: Any, pictures: Path, tmp_path: Path) -> None:
    plant(CUDA, lambda self, state: True)
    with pytest.raises(ResourceError) as caught:
        train(
            pictures,
            out=tmp_path / "run",
            options=OPTIONS | {"training.micro_batch": "2", "training.recompute": "true"},
        )
    assert "with 2 pictures at once" in caught.value.what
    assert "nothing was trained yet" in caught.value.safe
    assert "a smaller --resolution" in caught.value.next_command
    assert [next_smaller(*pair) for pair in ((8, 8), (12, 12), (6, 12), (3, 12), (2, 4), (7, 7))] \
        == [4, 6, 3, 0, 0, 0]  # fmt: skip


def test_a_lost_device_ends_the_run_with_its_checkpoint_good(
    plant: Any, pictures: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    plant(LOST, lambda self, state: state.step == 4)
    with pytest.raises(ResourceError) as caught:
        train(pictures, out=run, options=OPTIONS)
    error = caught.value
    assert "the device cpu failed after 16 images: CUDA error: an illegal" in error.what
    assert error.safe == f"{run}/checkpoints/step-00000003 (12 images)"
    assert error.next_command.startswith(f"projgan resume {run} ")


def test_a_device_that_fails_in_a_save_leaves_the_older_one(
    monkeypatch: pytest.MonkeyPatch, pictures: Path, tmp_path: Path
) -> None:
    run, honest = tmp_path / "run", checkpoint_module.write_tensors

    def write(path: Path, values: Any) -> None:
        if "step-00000006" in str(path) and path.stem == "discriminator":
            raise LOST
        honest(path, values)

    monkeypatch.setattr(checkpoint_module, "write_tensors", write)
    with pytest.raises(ResourceError, match="failed after 24 images"):
        train(pictures, out=run, options=OPTIONS)
    assert [p.name for p in (run / "checkpoints").iterdir()] == ["step-00000003"]


def test_errors_are_told_apart() -> None:
    for error in (CUDA, CPU, MemoryError(), RuntimeError("CUDA error: out of memory")):
        assert is_out_of_memory(error) and not is_device_lost(error)
    assert is_device_lost(LOST) and not is_out_of_memory(LOST)
    assert is_device_lost(type("AcceleratorError", (RuntimeError,), {})("gone"))
    for other in (RuntimeError("shapes do not fit"), ValueError("CUDA error: no"), OSError(12)):
        assert not is_out_of_memory(other) and not is_device_lost(other)
