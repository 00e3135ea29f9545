"""How much is held at once, by the memory that is free."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch

from command import in_this_process, projgan
from projgan.config.learning import TrainingConfig
from projgan.data.drawn import write_drawn_set
from projgan.errors import ResourceError, UsageError
from projgan.workflows import fitting, memory
from projgan.workflows.doctor.trial import Trial, try_steps
from projgan.workflows.fitting import fit_to_memory, ways
from projgan.workflows.watch import Watch
from tiny import pixels_config, tiny_arguments, tiny_config


class Notes(Watch):
    def __init__(self) -> None:
        self.texts: list[str] = []

    def note(self, text: str) -> None:
        self.texts.append(text)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch) -> list[TrainingConfig]:
    """One in which a picture takes 1 GB, half of it recomputed, and 5 GB may be used."""
    tried: list[TrainingConfig] = []

    def trial(config, seconds, *, least, limit_mb):
        training = config.training
        tried.append(training)
        assert seconds == 0 and least == 2
        need = training.micro_batch * (500 if training.recompute else 1000)
        problem = "" if need <= limit_mb else "the memory is not enough"
        return Trial((), training.batch, need, problem=problem)

    monkeypatch.setattr(fitting, "try_steps", trial)
    monkeypatch.setattr(fitting, "budget", lambda device: 5e9)
    return tried


def test_nothing_is_tried_unasked(machine: list[TrainingConfig]) -> None:
    config = tiny_config()
    assert fit_to_memory(config, Watch()) is config and not machine


def test_the_batch_stays_and_numbers_stay_as_long_as_they_can(
    machine: list[TrainingConfig],
) -> None:
    notes = Notes()
    config = tiny_config(training__batch="10", training__fit_memory="true")
    found = fit_to_memory(config, notes)
    assert [(t.batch, t.micro_batch, t.recompute) for t in machine] == [
        (10, 10, False),
        (10, 10, True),
    ]
    expected = dataclasses.replace(
        config.training, micro_batch=10, recompute=True, fit_memory=False
    )
    assert found == dataclasses.replace(config, training=expected)
    assert "batch 10, recomputed maps: takes 5.0 GB" in notes.texts


def test_parts_where_that_is_not_enough(machine: list[TrainingConfig]) -> None:
    options = {"training__batch": "24", "training__compile": "on"}
    config = tiny_config(training__fit_memory="true", **options)
    found = fit_to_memory(config, Watch()).training
    assert (found.batch, found.micro_batch, found.recompute) == (24, 8, True)
    assert found.compile == "off"  # what is computed again cannot be compiled
    # A part has the weight of many: two are enough to try.
    assert [t.batch for t in machine if t.micro_batch == 8] == [16, 16]


def test_the_batch_as_well_with_all_that_follows_from_it(machine: list[TrainingConfig]) -> None:
    config = tiny_config(training__batch="0")
    assert config.training.ema_half_life_kimg == 0
    found = fit_to_memory(config, Watch()).training
    assert (found.batch, found.micro_batch, found.recompute) == (8, 8, True)
    assert found.ema_half_life_kimg == 2.5
    open_gamma = pixels_config("stylegan2", training__batch="0")
    assert open_gamma.discriminator.r1_gamma == 0
    assert fit_to_memory(open_gamma, Watch()).discriminator.r1_gamma > 0


def test_what_the_settings_bound() -> None:
    bounded = TrainingConfig(batch=16, micro_batch=4, recompute=True)
    assert [str(way) for way in ways(bounded)] == [
        "batch 16, 4 at once, recomputed maps",
        "batch 16, 2 at once, recomputed maps",
    ]
    with pytest.raises(UsageError, match=r"needs training.compile=off"):
        TrainingConfig(recompute=True, compile="on")
    with pytest.raises(UsageError, match="or 0 alone"):
        TrainingConfig(batch=0, micro_batch=4)


def test_too_little_or_unknown(machine: list[TrainingConfig], monkeypatch) -> None:
    config = tiny_config(training__fit_memory="true")
    monkeypatch.setattr(fitting, "budget", lambda device: 5e8)
    with pytest.raises(ResourceError, match="no way to hold a step fits into the 0.5 GB"):
        fit_to_memory(config, Watch())
    monkeypatch.setattr(fitting, "budget", lambda device: 0)
    with pytest.raises(UsageError, match="cannot be told"):
        fit_to_memory(config, Watch())


def test_several_processes_are_told_what_to_hold(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fitting, "process_count", lambda: 2)
    with pytest.raises(UsageError, match="several processes share a batch"):
        fit_to_memory(tiny_config(training__fit_memory="true"), Watch())


def test_a_trial_ends_where_its_memory_does() -> None:
    trial = try_steps(tiny_config(), 0.0, least=2, limit_mb=100.0)
    assert trial.problem == "the memory is not enough"


def test_a_run_is_saved_with_what_was_chosen(tmp_path: Path) -> None:
    write_drawn_set(tmp_path / "set", count=8, size=32)
    words = tiny_arguments(training__images="4")
    _, said = projgan(tmp_path, "train", "set", "--batch", "auto", *words)
    assert "batch 4: takes" in said
    training = json.loads((tmp_path / "runs/set/config.json").read_text())["training"]
    assert (training["batch"], training["micro_batch"]) == (4, 4)
    assert training["fit_memory"] is training["recompute"] is False
    # A resume tries nothing, and so cannot come to another batch.
    _, said = in_this_process(tmp_path, "resume", "runs/set", "--images", "8")
    assert "trying" not in said
    _, said = in_this_process(tmp_path, "compare", "set", "--set", "training.batch=0", code=2)
    assert "which the memory cannot decide" in said


def test_memory_of_the_process_is_that_of_its_groups(tmp_path: Path) -> None:
    def write(name: str, text: str) -> None:
        file = tmp_path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    assert memory.machine_memory(tmp_path) == (0, 0)
    write("proc/meminfo", "MemTotal: 4000 kB\nMemAvailable: 3000 kB\n")
    assert memory.machine_memory(tmp_path) == (4_096_000, 3_072_000)
    write("proc/self/cgroup", "0::/jobs/one\n")
    write("sys/fs/cgroup/jobs/memory.max", "2000000\n")
    write("sys/fs/cgroup/jobs/memory.current", "500000\n")
    write("sys/fs/cgroup/jobs/one/memory.max", "max\n")
    write("sys/fs/cgroup/jobs/one/memory.current", "400000\n")
    assert memory.machine_memory(tmp_path) == (2_000_000, 1_500_000)
    write("sys/fs/cgroup/memory/memory.limit_in_bytes", "900000")
    write("sys/fs/cgroup/memory/memory.usage_in_bytes", "950000")
    assert memory.machine_memory(tmp_path) == (900_000, 0)


def test_budget_leaves_room(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "machine_memory", lambda: (10_000, 5_000))
    assert memory.budget(torch.device("cpu")) == 4_000
    assert memory.budget(torch.device("meta")) == 0
