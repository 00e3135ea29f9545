"""Memory of this process: how much there is, in its container or on its device, and its peak."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

import torch

_SHARES = {"cpu": 0.8, "cuda": 0.9}
"""Of the free memory that training may take. The rest is for pictures read from disk, sample grids,
measurements, and other processes."""


def machine_memory(root: Path = Path("/")) -> tuple[int, int]:
    """Bytes in all and free for this process; less than the machine's inside a container.

    (0, 0) where the system does not say.
    root: where `proc` and `sys` lie.
    """
    try:
        text = (root / "proc/meminfo").read_text(encoding="ascii")
        values = {k: int(v) * 1024 for k, v in re.findall(r"(\w+):\s+(\d+) kB", text)}
        total, free = values["MemTotal"], values["MemAvailable"]
    except (OSError, KeyError):
        return 0, 0
    for limit, used in _group_limits(root):
        total, free = min(total, limit), min(free, max(limit - used, 0))
    return total, free


def budget(device: torch.device) -> int:
    """Bytes that training may take on a device now; 0 where that cannot be told."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
    elif device.type == "cpu":
        _, free = machine_memory()
    else:
        return 0
    return int(free * _SHARES[device.type])


def peak_mb(device: torch.device) -> float:
    """The most that this process has held so far: allocated on CUDA, resident elsewhere."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e6
    try:
        # Not ru_maxrss, which in a child begins with what its parent held when it was started.
        status = Path("/proc/self/status").read_text(encoding="ascii")
        return int(status.partition("VmHWM:")[2].split()[0]) / 1e3
    except (OSError, IndexError, ValueError):
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        return peak / 1e6 if sys.platform == "darwin" else peak / 1e3


def _group_limits(root: Path) -> list[tuple[int, int]]:
    """Limit and use in bytes of every control group around this process that has a limit."""
    mount = root / "sys/fs/cgroup"
    try:
        text = (root / "proc/self/cgroup").read_text(encoding="utf-8")
    except OSError:
        text = ""
    found = []
    # Version 2: one line, 0::/path. A container often sees its own group as the root.
    own = re.search(r"^0::/(.*)$", text, re.MULTILINE)
    group = mount / own[1] if own else mount
    for folder in (group, *group.parents):
        if mount not in (folder, *folder.parents):
            break
        found.append((folder / "memory.max", folder / "memory.current"))
    old = re.search(r"^\d+:memory:/(.*)$", text, re.MULTILINE)
    for folder in {mount / "memory", mount / "memory" / (old[1] if old else "")}:
        found.append((folder / "memory.limit_in_bytes", folder / "memory.usage_in_bytes"))
    return [pair for files in found if (pair := _numbers(*files)) is not None]


def _numbers(limit: Path, used: Path) -> tuple[int, int] | None:
    """What both files say; None without such a group, or for "max"."""
    try:
        return int(limit.read_text()), int(used.read_text())
    except (OSError, ValueError):
        return None
