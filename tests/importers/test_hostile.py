"""Hostile files: 160 attacks and mutations of a good file, in a watched process with little memory.

Watched: every audited event (imports, code, files, processes, sockets), a canary, the folder,
memory and processor time. Mutants of the reader show that the watch sees what it should.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from importers.attacks import attacks
from importers.official_files import fastgan_file, fastgan_state
from importers.watched import MUTANTS
from projgan.generators import FastGAN

pytestmark = pytest.mark.skipif(
    not Path("/proc/self/status").exists(), reason="limits the memory in the way of Linux"
)
QUICK, FULL, BATCH = 300, 20_000, 1_000


@pytest.fixture(scope="module")
def good_file(tmp_path_factory):
    file = tmp_path_factory.mktemp("good") / "good.pkl"
    generator = FastGAN(z_dim=8, resolution=32, width=8, lite=True)
    state = fastgan_state(generator, "fastgan-lite")
    file.write_bytes(fastgan_file(state, z_dim=8, resolution=32))
    return file


def watched(folder: Path, good_file: Path, *tasks: list[object]) -> list[list]:
    folder.mkdir(exist_ok=True)
    done = subprocess.run(
        [
            sys.executable,
            str(Path(__file__).with_name("watched.py")),
            str(folder),
            str(good_file),
            *map(json.dumps, tasks),
        ],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        timeout=1800,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture(scope="module")
def outcomes(good_file, tmp_path_factory):
    """One process for all quick tasks: most of its time is its start."""
    mutants = [[name, "attacks"] for name in MUTANTS]
    tasks = (["ours", "attacks"], ["ours", "mutations", 0, QUICK], *mutants)
    lines = watched(tmp_path_factory.mktemp("watched"), good_file, *tasks)
    return {(name, what): result for name, what, result in lines}


def test_attacks_do_nothing_and_are_named(outcomes):
    results = outcomes["ours", "attacks"]
    assert len(results) == len(list(attacks("x"))) >= 80
    assert [one for one in results if one["faults"]] == []


def test_mutations_do_nothing(outcomes):
    result = outcomes["ours", "mutations"]
    assert sum(result["tally"].values()) == QUICK
    assert result["faults"] == []
    assert result["tally"]["4"] > QUICK / 10
    assert result["tally"]["9"] > QUICK / 10


@pytest.mark.parametrize("name", MUTANTS)
def test_a_reader_that_is_not_closed_is_caught(outcomes, name):
    assert outcomes[name, "attacks"][-1]["faults"]


@pytest.mark.slow
@pytest.mark.faults
@pytest.mark.parametrize("seed", range(FULL // BATCH))
def test_mutations_at_full_size(good_file, tmp_path, seed):
    [[_, _, result]] = watched(tmp_path / "w", good_file, ["ours", "mutations", seed, BATCH])
    assert sum(result["tally"].values()) == BATCH
    assert result["faults"] == []
