"""Several processes, as a user starts them; gloo on a CPU."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.torch import load_file

from command import projgan
from projgan.training.history import read_history
from tiny import tiny_arguments, write_pictures

# Batch norms over all processes and no augmentation: then it matters little who has which images.
ALIKE = {"training__batch": "8", "augment__policy": "", "training__batch_norm": "sync"}


def lines(run: Path) -> list[dict[str, Any]]:
    return read_history(run / "history.jsonl")


def test_two_processes_learn_what_one_does(tmp_path: Path) -> None:
    """The same losses in the first step, where the weights are the same, to rounding.

    After it, Adam turns rounding into steps of full length where a gradient is almost 0.
    """
    write_pictures(tmp_path / "photos", 12)
    words = tiny_arguments(**ALIKE, training__images="16")
    projgan(tmp_path, "train", "photos", "--out", "one", *words)
    out, err = projgan(tmp_path, "train", "photos", "--out", "two", *words, "--launch", "2")
    assert out.count("trained on 16 images") == 1  # the other process says nothing
    assert "2 processes, each with 4 images of a batch; batch norms sync" in err
    one, two = lines(tmp_path / "one"), lines(tmp_path / "two")
    assert [row["images_seen"] for row in two] == [row["images_seen"] for row in one] == [8, 16]
    for name in ("loss_g", "loss_d", "logits_real", "logits_fake"):
        assert two[0][name] == pytest.approx(one[0][name], abs=1e-4), name
        assert two[1][name] == pytest.approx(one[1][name], abs=2e-2), name
    projgan(tmp_path, "sample", "two", "--seeds", "0-3")  # names are those of one process


def test_what_cannot_be_shared(tmp_path: Path) -> None:
    write_pictures(tmp_path / "photos", 4)
    words = ("train", "photos", "--out", "run", *tiny_arguments(), "--launch", "3")
    _, err = projgan(tmp_path, *words, code=2)
    assert "a batch of 4 in parts of 4 cannot be shared by 3 processes" in err
    assert err.rstrip().endswith("--batch 6") and "Traceback" not in err
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_four_and_back_to_one(tmp_path: Path) -> None:
    """A history without a gap over two, one and four processes, and an end that samples."""
    write_pictures(tmp_path / "photos", 12)
    words = tiny_arguments(training__batch="8", training__images="16")
    projgan(tmp_path, "train", "photos", "--out", "run", *words, "--launch", "2")
    projgan(tmp_path, "resume", "run", "--images", "32")
    projgan(tmp_path, "resume", "run", "--images", "48", "--launch", "4")
    rows = lines(tmp_path / "run")
    assert [row["step"] for row in rows] == [1, 2, 3, 4, 5, 6]
    told = [json.loads(text) for text in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    assert [row.get("processes", 1) for row in told if row.get("event") == "resume"] == [1, 4]


EXACT = {
    "shared": {},
    "alternating": {"training__step": "alternating"},
    "noisy": {"generator__name": "fastgan"},
    "adaptive": {"augment__adaptive": "flip,rotation", "augment__controller": "balance"},
    "sync": {"training__batch_norm": "sync"},
    "bf16": {"training__precision": "bf16"},
}


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("config", EXACT)
def test_stopped_and_resumed_equals_never_stopped(tmp_path: Path, config: str) -> None:
    """Bit for bit, with as many processes."""
    write_pictures(tmp_path / "photos", 12)
    words = tiny_arguments(training__batch="8", training__images="32", **EXACT[config])
    projgan(tmp_path, "train", "photos", "--out", "straight", *words, "--launch", "2")
    arguments = ("train", "photos", "--out", "stopped", *words, "--launch", "2")
    with started(tmp_path, *arguments) as process:
        wait_for(tmp_path / "stopped", images=8, process=process)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) in (0, 143)
    projgan(tmp_path, "resume", "stopped", "--launch", "2")
    for file in ("generator", "generator_ema", "discriminator", "optimizer_g", "optimizer_d"):
        path = f"checkpoints/step-00000004/{file}.safetensors"
        straight, stopped = (
            load_file(tmp_path / "straight" / path),
            load_file(tmp_path / "stopped" / path),
        )
        assert [k for k, v in straight.items() if not v.equal(stopped[k])] == [], file


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize(
    ("number", "rank", "code"),
    [
        (signal.SIGKILL, 1, 5),
        (signal.SIGSTOP, 1, 5),
        (signal.SIGKILL, 0, 5),
        (signal.SIGTERM, None, 143),
        (signal.SIGINT, None, 130),
        (signal.SIGTERM, 1, 143),
    ],
)
def test_one_ends_all(tmp_path: Path, number: signal.Signals, rank: int | None, code: int) -> None:
    """In half a minute, with the process named, and a checkpoint that goes on."""
    write_pictures(tmp_path / "photos", 12)
    words = tiny_arguments(training__batch="8", training__images="100000")
    with started(tmp_path, "train", "photos", "--out", "run", *words, "--launch", "2") as process:
        wait_for(tmp_path / "run", images=16, process=process)
        os.kill(process.pid if rank is None else process_of(process.pid, rank), number)
        began = time.monotonic()
        assert process.wait(60) == code
    assert time.monotonic() - began < 30
    err = (tmp_path / "err.txt").read_text()
    assert "Traceback" not in err and "c10d" not in err
    if code == 5:
        assert f"process {rank} of 2 is gone or stands still: all have ended" in err
    else:
        assert err.count("everything is saved") == 1
    seen = lines(tmp_path / "run")[-1]["images_seen"]
    projgan(tmp_path, "resume", "run", "--images", str(seen + 8), "--launch", "2")


@contextlib.contextmanager
def started(folder: Path, *words: str) -> Iterator[subprocess.Popen[bytes]]:
    """A launcher whose processes do not outlive the test."""
    environment = os.environ | {"PROJGAN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
    with (folder / "err.txt").open("wb") as err:
        process = subprocess.Popen(
            [sys.executable, "-m", "projgan", *words],
            cwd=folder,
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=err,
        )
    try:
        yield process
    finally:
        if process.poll() is None:
            for pid in (*children_of(process.pid), process.pid):
                os.kill(pid, signal.SIGKILL)
        process.wait()


def wait_for(run: Path, *, images: int, process: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 120
    while not any(row["images_seen"] >= images for row in lines(run)):
        assert process.poll() is None and time.monotonic() < until, "it has not begun"
        time.sleep(0.05)


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def process_of(launcher: int, rank: int) -> int:
    """The child that has this rank."""
    return next(pid for pid in children_of(launcher) if f"RANK={rank}" in environment_of(pid))


def environment_of(pid: int) -> Sequence[str]:
    return Path(f"/proc/{pid}/environ").read_bytes().decode().split("\0")
