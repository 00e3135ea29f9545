"""`projgan compare` as a user runs it: a process of its own, killed, and run again."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from PIL import Image

from command import projgan, start
from projgan.cli.main import run
from tiny import tiny_options, write_pictures

WORDS = [
    *("compare", "photos", "--preset", "demo", "--images", "12", "--every", "8", "--samples", "4"),
    *("--seeds", "3", "--contender", "two: heads.count=2", "--contender", "half: demo"),
    *("--threads", "1", "--device", "cpu", "--resolution", "32"),
    *(
        word
        for key, value in tiny_options().items()
        if key.split(".")[1] not in ("images", "sample_every", "threads", "device", "resolution")
        for word in ("--set", f"{key}={value}")
    ),
]


@pytest.fixture(scope="module")
def workplace(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("work")
    write_pictures(folder / "photos")
    threads = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.setenv("PROJGAN_CACHE", str(folder / "cache"))
        yield folder
    torch.set_num_threads(threads)


@pytest.mark.slow
@pytest.mark.faults
def test_killed_and_run_again(workplace: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """In the second turn: one run has a checkpoint, the other may not have begun."""
    process = start(workplace, *WORDS, "--out", "out")
    history = workplace / "out/runs/half-seed3/history.jsonl"
    while not history.exists():
        assert process.poll() is None, process.communicate()[1]
        time.sleep(0.02)
    process.kill()
    process.communicate(timeout=120)
    printed, err = projgan(workplace, *WORDS, "--out", "out")
    assert "two, seed 3: 8 images" not in err and "half, seed 3: 12 images" in err
    assert "fd-lite1 of 4 samples and 6 reals" in printed
    assert printed.rstrip().endswith("look at:  out/compare.png, out/samples.png")
    with Image.open(workplace / "out/compare.png") as chart:
        assert chart.size == (1200, 600)
    assert run([*WORDS, "--out", "out", "--json"]) == 0
    result = json.loads(capsys.readouterr().out)
    assert result == json.loads((workplace / "out/compare.json").read_text())
    assert [one["name"] for one in result["contenders"]] == ["two", "half"]
    curves = [one["curve"] for contender in result["contenders"] for one in contender["runs"]]
    assert [[point["images_seen"] for point in curve] for curve in curves] == [[0, 8, 12]] * 2


def test_a_signal_ends_with_the_command_that_goes_on(
    workplace: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    words = [*WORDS, "--out", "stopped"]
    monkeypatch.setattr(sys, "argv", ["projgan", *words])
    stop = lambda *progress: os.kill(os.getpid(), signal.SIGTERM)  # noqa: E731 - a stub
    monkeypatch.setattr("projgan.workflows.comparison.turns._Listener.step", stop)
    assert run(words) == 143
    *_, what, safe, following = capsys.readouterr().err.splitlines()
    assert what == "the comparison was stopped by SIGTERM; everything is saved"
    assert safe == "safe:  stopped"
    assert following.startswith("next:  projgan compare photos --preset demo --images 12")
    assert "--contender 'two: heads.count=2'" in following
    assert (workplace / "stopped/runs/two-seed3/checkpoints/step-00000001").is_dir()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--contender", "nobody", "unknown contender 'nobody'"),
        ("--seeds", "1-0", "runs backwards"),
        ("--samples", "1", "at least 2 samples"),
        ("--set", "training.seed=3", "several seeds"),
    ],
)
def test_refusals(
    workplace: Path, capsys: pytest.CaptureFixture[str], option: str, value: str, message: str
) -> None:
    assert run(["compare", "photos", "--out", "refused", option, value]) == 2
    assert message in capsys.readouterr().err
    assert not (workplace / "refused").exists()
