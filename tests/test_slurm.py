"""The Slurm example: its shell is run with an srun and a scontrol of our own on the path."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from projgan.training.checkpoint import find_latest
from tiny import tiny_arguments, write_pictures

ROOT = Path(__file__).resolve().parents[1]
SCRIPT = ROOT / "examples" / "slurm" / "train.sbatch"

# Like Slurm's, it hands TERM on to its tasks, which are in a group of their own.
SRUN = """#!/bin/bash
trap 'kill -TERM "$task"' TERM
"$@" &
task=$!
wait "$task"; code=$?
while kill -0 "$task" 2>/dev/null; do wait "$task"; code=$?; done
wait "$task" 2>/dev/null; last=$?
[ "$last" -eq 127 ] || code=$last
exit "$code"
"""
SCONTROL = """#!/bin/bash
echo "$@" >> scontrol.log
"""
PROJGAN = f"""#!/bin/bash
exec {sys.executable} -m projgan "$@"
"""
PRETENDER = """#!/bin/bash
# Behaves like projgan towards signals; CODE is how it ends by itself.
echo "$@" >> words.log
trap 'sleep 0.2; echo saved >> saved.log; exit 143' TERM
touch started
for _ in $(seq "${TICKS:-100}"); do sleep 0.05; done
exit "${CODE:-0}"
"""


def write_tools(folder: Path, projgan: str) -> None:
    tools = folder / "bin"
    tools.mkdir()
    for name, text in (("srun", SRUN), ("scontrol", SCONTROL), ("projgan", projgan)):
        (tools / name).write_text(text)
        (tools / name).chmod(0o755)


def submit(folder: Path, *words: str, **environment: str) -> subprocess.Popen[str]:
    """The job's shell, in `folder`."""
    return subprocess.Popen(
        ["bash", str(SCRIPT), *words],
        cwd=folder,
        env=os.environ
        | {
            "PATH": f"{folder / 'bin'}:{os.environ['PATH']}",
            "SLURM_JOB_ID": "4242",
            "PROJGAN_CACHE": str(folder / "cache"),
            "OMP_NUM_THREADS": "1",
        }
        | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )


def wait_for(path: Path, job: subprocess.Popen[str]) -> None:
    deadline = time.monotonic() + 240
    while not path.exists():
        assert job.poll() is None, job.communicate()[0]
        assert time.monotonic() < deadline, f"{path} does not come"
        time.sleep(0.02)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def test_the_shell_reads_it() -> None:
    subprocess.run(["bash", "-n", str(SCRIPT)], check=True)
    lines = SCRIPT.read_text().splitlines()
    assert lines[0] == "#!/bin/bash"
    options = [line.removeprefix("#SBATCH ") for line in lines if line.startswith("#SBATCH ")]
    assert "--requeue" in options
    assert "--signal=B:USR1@180" in options
    assert "--open-mode=append" in options  # or the log of the first part would be lost
    first = next(place for place, line in enumerate(lines) if line and not line.startswith("#"))
    assert max(p for p, line in enumerate(lines) if line.startswith("#SBATCH ")) < first


def test_shellcheck_finds_nothing() -> None:
    if shutil.which("shellcheck") is None:
        pytest.skip("skipped: shellcheck is not installed")
    subprocess.run(["shellcheck", str(SCRIPT)], check=True)


@pytest.mark.parametrize("number", [signal.SIGUSR1, signal.SIGTERM])
def test_asked_to_stop_it_saves_once_and_is_queued_again(
    tmp_path: Path, number: signal.Signals
) -> None:
    write_tools(tmp_path, PRETENDER)
    job = submit(tmp_path, "photos", "run", "--preset", "few-shot-64")
    wait_for(tmp_path / "started", job)
    job.send_signal(number)
    time.sleep(0.05)
    job.send_signal(signal.SIGTERM)  # as Slurm does when the time is really up
    out, _ = job.communicate(timeout=60)
    assert job.returncode == 0, out
    assert read(tmp_path / "saved.log") == "saved\n"
    assert read(tmp_path / "scontrol.log") == "requeue 4242\n"
    assert read(tmp_path / "words.log") == "train photos --out run --preset few-shot-64\n"


@pytest.mark.parametrize("code", [0, 5, 143])
def test_an_end_of_its_own_is_the_end_of_the_job(tmp_path: Path, code: int) -> None:
    """143 without a word to the shell is a cancelled job, which nobody wants back."""
    write_tools(tmp_path, PRETENDER)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").touch()
    job = submit(tmp_path, "photos", "run", "--preset", "few-shot-64", CODE=str(code), TICKS="1")
    out, _ = job.communicate(timeout=60)
    assert job.returncode == code, out
    assert read(tmp_path / "scontrol.log") == ""
    assert read(tmp_path / "words.log") == "resume run\n"


def test_without_words_it_says_how(tmp_path: Path) -> None:
    job = submit(tmp_path, "photos")
    assert "usage: sbatch" in job.communicate(timeout=60)[0]
    assert job.returncode == 2


def test_a_real_training_goes_through_two_jobs(tmp_path: Path) -> None:
    write_tools(tmp_path, PROJGAN)
    write_pictures(tmp_path / "photos")
    images, every = "400", {"training__sample_every": "400", "training__snapshot_every": "400"}
    changes = every | {"training__images": images, "metrics__every": "0"}
    words = ("photos", "runs/photos", *tiny_arguments(**changes))
    job = submit(tmp_path, *words)
    wait_for(tmp_path / "runs" / "photos" / "checkpoints" / "step-00000002", job)
    job.send_signal(signal.SIGUSR1)
    out, _ = job.communicate(timeout=240)
    assert job.returncode == 0, out
    assert "USR1: projgan is asked to save and stop" in out
    assert "stopped by SIGTERM after" in out and "queued again" in out
    assert read(tmp_path / "scontrol.log") == "requeue 4242\n"
    checkpoint, problems = find_latest(tmp_path / "runs" / "photos" / "checkpoints")
    assert checkpoint is not None and not problems
    seen = checkpoint.counters["images_seen"]
    assert 8 <= seen < int(images)

    config = tmp_path / "runs" / "photos" / "config.json"
    values = json.loads(config.read_text())
    values["training"]["images"] = seen + 4  # or the test would take long
    config.write_text(json.dumps(values))
    job = submit(tmp_path, *words)
    out, _ = job.communicate(timeout=240)
    assert job.returncode == 0, out
    assert "projgan resume runs/photos" in out
    assert f"trained on {seen + 4} images" in out
    assert read(tmp_path / "scontrol.log") == "requeue 4242\n"  # finished: not again
