"""`python save_entry.py RUN --json`: three saves of a run, without torch, as a command of projgan.

For suites that start hundreds of processes: the folders are those of a run, the code is that of
`projgan.storage`, `projgan.rundir` and the command line; only the contents are made up.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

from projgan import storage
from projgan.cli import main as cli
from projgan.rundir import RunDir

NAME = "save-entry"
KEEP = 2
SAVES = 3


def content_of(step: int, name: str) -> bytes:
    """What a file of a step holds."""
    return f"{name} of step {step} ".encode() * 500


def _save(run: RunDir, step: int) -> None:
    def write_files(folder: Path) -> None:
        for name in ("generator.bin", "state.json"):
            (folder / name).write_bytes(content_of(step, name))

    target = run.checkpoints / f"step-{step:08d}"
    if not target.exists():
        storage.write_folder(target, write_files, bytes_needed=20_000)
    storage.write_text(run.root / "announced", str(step))
    for old in sorted(run.checkpoints.glob("step-*"))[:-KEEP]:
        storage.remove_folder(old)
    storage.replace_folder(run.best_checkpoint, write_files)


def _run(args: argparse.Namespace) -> dict[str, Any]:
    run = RunDir(Path(args.run))
    if run.config.is_file():
        storage.sweep(run.root)
        storage.sweep(run.checkpoints)
        storage.finish_replacement(run.best_checkpoint)
    else:
        run.create()
    with run.locked():
        storage.write_text(run.config, "{}")
        done = [int(path.name[5:]) for path in run.checkpoints.glob("step-*")]
        for step in range(max(done, default=1), SAVES + 1):
            _save(run, step)
    return {}


def main() -> None:
    """Run it as a command."""
    storage._RETRY_AFTER_S = 0.0
    command = ModuleType(f"projgan.cli.{NAME}")
    vars(command).update(
        EXAMPLES=(), run=_run, add_arguments=lambda parser: parser.add_argument("run")
    )
    sys.modules[command.__name__] = command
    cli.COMMANDS[NAME] = "save three times"
    cli.main([NAME, *sys.argv[1:]])


if __name__ == "__main__":
    main()
