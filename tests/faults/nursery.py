"""A process that has loaded everything once, and forks a child for each command that it is asked.

A hundred runs then cost what they compute and no start. It reads a line of JSON for each command,
and writes the child's number and, when the child has ended, its exit code as `waitpid` has it.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import os
import pkgutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import projgan
from projgan.workflows import recorder

TESTS = Path(__file__).resolve().parents[1]


class Nursery:
    """The side of the test.

    Args:
        folder: where its commands run; their cache of pictures lies there.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self._count = folder, 0
        env = os.environ | {"PROJGAN_CACHE": str(folder / "cache"), "OMP_NUM_THREADS": "1"}
        env["PYTHONPATH"] = os.pathsep.join([str(TESTS), env.get("PYTHONPATH", "")])
        self._process = subprocess.Popen(
            [sys.executable, "-m", "faults.nursery"],
            cwd=folder, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert self._read() == "ready"

    def start(
        self,
        *words: str,
        watch: Path | None = None,
        kill_at: int = 0,
        kill_in: str = "",
        mutant: str = "",
    ) -> int:
        """Start `projgan words`; returns the child's number.

        watch: a folder whose operations are counted.
        kill_at: the number of the operation there before which the child is killed.
        kill_in: count only operations on paths with this in them.
        """
        self._count += 1
        self.output = self.folder / f"output-{self._count}"
        order = {"words": words, "watch": str(watch or ""), "kill_at": kill_at, "mutant": mutant}
        order["kill_in"] = kill_in
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps(order | {"output": str(self.output)}) + "\n")
        self._process.stdin.flush()
        return int(self._read())

    def wait(self) -> int:
        """Exit code of the child, negative for a signal."""
        return os.waitstatus_to_exitcode(int(self._read()))

    def run(
        self,
        *words: str,
        watch: Path | None = None,
        kill_at: int = 0,
        kill_in: str = "",
        mutant: str = "",
    ) -> int:
        """Start it and wait."""
        self.start(*words, watch=watch, kill_at=kill_at, kill_in=kill_in, mutant=mutant)
        return self.wait()

    def printed(self) -> str:
        """What the last child printed."""
        return self.output.read_text(errors="replace")

    def close(self) -> None:
        """End it."""
        assert self._process.stdin is not None and self._process.stdout is not None
        self._process.stdin.close()
        self._process.wait(60)
        self._process.stdout.close()

    def _read(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()


@contextlib.contextmanager
def nursery(folder: Path) -> Iterator[Nursery]:
    """One for the time of a `with` block."""
    found = Nursery(folder)
    try:
        yield found
    finally:
        found.close()


def operations_of(watch: Path) -> list[list[str]]:
    """Kind and path of each operation that the last watched child asked for."""
    found: list[list[str]] = json.loads(Path(f"{watch}.operations").read_text())
    return found


def _be_the_child(order: dict[str, Any]) -> None:
    from faults.disk import Operation, watched
    from faults.kill_mutants import MUTANTS
    from projgan.cli.main import run

    output = os.open(order["output"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    sys.stdout, sys.stderr = os.fdopen(1, "w"), os.fdopen(2, "w")
    if order["mutant"]:
        MUTANTS[order["mutant"]]()
    if not order["watch"]:
        code = run(order["words"])
    else:
        kill_at, asked = order["kill_at"], []

        def hook(number: int, operation: Operation) -> None:
            asked.append([operation.kind, operation.path])
            if order["kill_in"]:
                number = sum(order["kill_in"] in path for _, path in asked)
            if number == kill_at and kill_at:
                os.kill(os.getpid(), signal.SIGKILL)
                time.sleep(60)

        with watched(Path(order["watch"]), hook):
            code = run(order["words"])
        Path(f"{order['watch']}.operations").write_text(json.dumps(asked))
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def _load_everything() -> None:
    for module in pkgutil.walk_packages(projgan.__path__, "projgan."):
        if not module.name.endswith("__main__"):
            importlib.import_module(module.name)
    # Nine tenths of a run of ten steps would be charts; a file is written all the same.
    recorder.draw_chart = lambda rows, path, **words: path.write_bytes(b"chart")
    for name in ("faults.disk", "faults.kill_mutants", "matplotlib.backends.backend_agg"):
        importlib.import_module(name)


def _main(orders: IO[str], answers: IO[str]) -> None:
    import torch

    _load_everything()
    torch.set_num_threads(1)
    print("ready", file=answers, flush=True)
    for line in orders:
        order = json.loads(line)
        child = os.fork()
        if child == 0:
            try:
                _be_the_child(order)
            finally:
                os._exit(99)
        print(child, file=answers, flush=True)
        print(os.waitpid(child, 0)[1], file=answers, flush=True)


if __name__ == "__main__":
    _main(sys.stdin, sys.stdout)
