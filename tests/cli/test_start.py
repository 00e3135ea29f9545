"""What a command does before it shows anything."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

from command import projgan
from projgan.config.load import from_dict
from projgan.images import grid
from projgan.snapshot import Snapshot
from projgan.training.state import TrainingState, new_state
from projgan.workflows.train import train
from projgan.workflows.watch import Watch
from tiny import tiny_arguments, tiny_options, write_pictures


def test_samples_need_no_feature_network() -> None:
    """More than half of the time that opening a snapshot took went into importing those."""
    words = (
        "import sys, projgan.workflows.use; "
        "print([name for name in ('timm', 'torchvision', 'torch._dynamo') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", words], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]", done.stdout + done.stderr


def test_the_first_step_is_said(tmp_path: Path) -> None:
    write_pictures(tmp_path / "set")
    _, said = projgan(tmp_path, "train", "set", *tiny_arguments(training__images="8"))
    assert said.count("first step done, in ") == 1


def test_the_first_step_is_shown_before_pictures_are_drawn(tmp_path: Path) -> None:
    """And the first grid still shows the generator that has learned nothing."""
    folder, run = write_pictures(tmp_path / "set"), tmp_path / "run"
    drawn = []

    class Listener(Watch):
        def step(self, state: TrainingState) -> None:
            drawn.append(sorted(path.name for path in (run / "samples").glob("*")))

    train(folder, out=run, options=tiny_options(training__images="8"), watch=Listener())
    assert drawn == [[], ["000000000.png", "reals.png"]]
    config = from_dict(json.loads((run / "config.json").read_text()))
    untrained = Snapshot(new_state(config).generator_ema, config, images_seen=0)
    with Image.open(run / "samples/000000000.png") as image:
        difference = np.asarray(image, int) - np.asarray(grid(untrained.sample(range(4))), int)
    assert np.abs(difference).max() <= 1


def test_a_run_without_a_step_has_its_first_grid(tmp_path: Path) -> None:
    folder, run = write_pictures(tmp_path / "set"), tmp_path / "run"
    train(folder, out=run, options=tiny_options(), until=0)
    assert (run / "samples/000000000.png").is_file()
