"""strace: which calls of a process touch a folder, and faults put into single ones of them."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

WRITE_SIDE = (
    "openat", "mkdir", "write", "pwrite64", "writev", "fsync", "fdatasync", "ftruncate",
    "fallocate", "rename", "renameat", "renameat2", "unlink", "unlinkat", "rmdir",
)  # fmt: skip
_CALL = re.compile(r"^(?:\d+ +)?(?P<name>\w+)\((?P<rest>.*)$")
_WRITING = re.compile(r"O_WRONLY|O_RDWR|O_CREAT")


@dataclass(frozen=True)
class Call:
    """The `number`-th call of its name in a process, counted from 1."""

    name: str
    number: int
    text: str


@cache
def can_trace() -> bool:
    """Whether strace is here and may watch processes."""
    if shutil.which("strace") is None:
        return False
    words = ["strace", "-o", "/dev/null", "-e", "trace=write", "true"]
    return subprocess.run(words, capture_output=True, check=False).returncode == 0


def trace(
    words: Sequence[str], folder: Path, log: Path, *, env: Mapping[str, str], fault: str = ""
) -> subprocess.CompletedProcess[str]:
    """Run a command under strace; `fault` is what `strace -e inject=` takes."""
    inject = ["-e", f"inject={fault}"] if fault else []
    return subprocess.run(
        ["strace", "-f", "-y", "-s", "200", "-o", str(log),
         "-e", f"trace={','.join('?' + name for name in WRITE_SIDE)}", *inject, *words],
        cwd=folder, env=dict(env), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def calls_below(log: Path, folder: Path) -> list[Call]:
    """The calls of a log that could change something below a folder."""
    counts: Counter[str] = Counter()
    found = []
    for line in log.read_text(errors="replace").splitlines():
        match = _CALL.match(line)
        if match is None:
            continue
        name, rest = match["name"], match["rest"]
        counts[name] += 1
        if str(folder) in rest and (name != "openat" or _WRITING.search(rest)):
            found.append(Call(name, counts[name], rest))
    return found
