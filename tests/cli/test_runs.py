"""`projgan runs` and `projgan prune` as a user runs them; and too little memory, from outside."""

from __future__ import annotations

import json
import os
import shlex
from pathlib import Path

import pytest

from command import in_this_process, projgan
from projgan.rundir import RunDir
from tiny import tiny_arguments, write_pictures

SCARCE = '''
"""A generator whose device has room for FEW pictures at once from its training call AT on."""

import os

import torch
from torch import nn

from projgan import Generator


class Scarce(Generator):
    def __init__(self, *, z_dim, resolution, width):
        super().__init__(z_dim=z_dim, resolution=resolution)
        self.layer = nn.Linear(z_dim, 3)
        self.calls = 0

    def forward(self, z):
        self.calls += self.training
        is_late = self.calls >= int(os.environ["AT"])
        if self.training and is_late and len(z) > int(os.environ["FEW"]):
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")
        return self.layer(z).tanh()[:, :, None, None].expand(-1, -1, *self.size)
'''


def test_runs_are_listed_and_pruned(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos")
    changes = {"training__images": "16", "training__snapshot_every": "4", "metrics__every": "0"}
    in_this_process(tmp_path, "train", "photos", *tiny_arguments(**changes))
    run = RunDir(tmp_path / "runs" / "photos")
    out, _ = projgan(tmp_path, "runs")
    head, line, total = out.splitlines()
    assert head.split() == ["run", "state", "images", "best", "size", "last", "change"]
    assert line.startswith("runs/photos  finished  16 of 16  ")
    assert total.startswith("1 run(s) in runs, ")
    out, _ = in_this_process(tmp_path, "runs", "runs/photos", "--json")
    (listed,) = json.loads(out)["runs"]
    assert (listed["run"], listed["state"]) == ("runs/photos", "finished")
    assert (listed["images_seen"], listed["images"]) == (16, 16)
    assert listed["changed"].startswith("20")

    out, _ = projgan(tmp_path, "prune", "runs", "--keep-snapshots", "2")
    assert "  snapshots/000000004\n  snapshots/000000008\n" in out
    assert "would be removed; nothing was" in out
    assert "next: projgan prune runs --keep-snapshots 2 --yes" in out
    assert len(list(run.snapshots.iterdir())) == 4
    with run.locked():
        out, _ = in_this_process(tmp_path, "prune", "runs/photos", "--yes", "--json", code=8)
    assert f"process {os.getpid()} is training" in json.loads(out)["error"]
    out, _ = in_this_process(tmp_path, "prune", "runs", "--keep-snapshots", "2", "--yes", "--json")
    result = json.loads(out)
    assert result["removed"] and result["bytes"] > 0
    assert [Path(path).name for path in result["runs"][0]["paths"]] == ["000000004", "000000008"]
    assert sorted(path.name for path in run.snapshots.iterdir()) == ["000000012", "000000016"]
    _, err = in_this_process(tmp_path, "prune", "runs", "--keep-checkpoints", "1", code=2)
    assert "at least 2 must be kept" in err
    # What is left resumes, and gives samples.
    in_this_process(tmp_path, "resume", "runs/photos", "--images", "20")
    in_this_process(tmp_path, "sample", "runs/photos", "--seeds", "0-3", "--grid")


def test_what_is_no_folder_is_refused(tmp_path: Path) -> None:
    _, err = in_this_process(tmp_path, "runs", code=2)
    assert "there is no such folder" in err
    (tmp_path / "runs").mkdir()
    out, _ = in_this_process(tmp_path, "runs")
    assert out == "0 run(s) in runs, 0 kB\n"


def test_too_little_memory_at_the_start_and_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "scarce.py").write_text(SCARCE)
    write_pictures(tmp_path / "photos")
    words = ("train", "photos", "--generator", "scarce:Scarce")
    words = (*words, *tiny_arguments(metrics__every="0"))
    monkeypatch.setenv("FEW", "2")
    monkeypatch.setenv("AT", "1")
    _, err = projgan(tmp_path, *words)
    assert "the memory of cpu is not enough for 4 pictures at once: beginning again with 2" in err
    config = json.loads((tmp_path / "runs/photos/config.json").read_text())
    assert (config["training"]["batch"], config["training"]["micro_batch"]) == (4, 2)

    monkeypatch.setenv("AT", "4")
    out, _ = projgan(tmp_path, *words, "--out", "runs/later", "--json", code=5)
    error = json.loads(out)
    assert "is not enough after 12 images, with 4 pictures at once" in error["error"]
    assert error["safe"].endswith("step-00000002 (8 images)")
    command = "projgan resume runs/later --allow-code --set training.micro_batch=2"
    assert error["next"] == f"{command}    (or, slower, --set training.recompute=true)"
    out, _ = projgan(tmp_path, *shlex.split(command)[1:], "--json")
    assert json.loads(out)["images_seen"] == 32
