import subprocess
import sys
from pathlib import Path

import pytest

from projgan.errors import BusyError, UsageError
from projgan.rundir import RunDir


def test_an_existing_run_is_refused_or_moved_aside_but_never_lost(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.create()
    (run.samples / "000000000.png").write_bytes(b"mine")
    run.config.write_text("{}")
    with pytest.raises(UsageError, match="exists") as caught:
        run.create()
    assert "projgan resume" in caught.value.next_command
    run.create(overwrite=True)
    run.config.write_text("{}")
    run.create(overwrite=True)
    assert (tmp_path / "run.old-1/samples/000000000.png").read_bytes() == b"mine"
    assert (tmp_path / "run.old-2/config.json").is_file()
    assert not list(run.samples.iterdir())


def test_a_folder_that_a_crash_left_empty_is_as_good_as_new(tmp_path: Path) -> None:
    """Killed before the config was written: neither train nor resume could go on with it."""
    run = RunDir(tmp_path / "run")
    run.create()
    run.lock.write_text("process 1")
    (run.root / ".config.json.1.tmp").write_text("{")
    run.create()
    (run.checkpoints / "step-00000001").mkdir()
    with pytest.raises(UsageError, match="exists") as caught:
        run.create()
    assert "--overwrite" in caught.value.next_command, "there is nothing to resume"


def test_names_sort_by_images(tmp_path: Path) -> None:
    run = RunDir(tmp_path)
    names = [run.sample_grid(n).name for n in (5, 1_000, 25_000_000)]
    assert names == sorted(names)


def test_a_second_process_is_refused_and_death_frees_the_lock(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.create()
    code = (
        "import sys, time; from pathlib import Path; from projgan.rundir import RunDir\n"
        "with RunDir(Path(sys.argv[1])).locked(): print('held', flush=True); time.sleep(60)"
    )
    holder = subprocess.Popen(
        [sys.executable, "-c", code, str(run.root)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    try:
        assert holder.stdout.readline() == "held\n"
        with pytest.raises(BusyError, match=f"process {holder.pid}") as caught, run.locked():
            pass
        assert caught.value.exit_code == 8
    finally:
        holder.kill()
        holder.wait()
        holder.stdout.close()
    with run.locked():
        pass


def test_a_run_that_another_process_finished_meanwhile_is_not_begun_again(tmp_path: Path) -> None:
    run = RunDir(tmp_path / "run")
    run.create()
    run.config.write_text("{}")
    with pytest.raises(UsageError, match="exists"), run.locked(new=True):
        pass
    with run.locked():
        pass
