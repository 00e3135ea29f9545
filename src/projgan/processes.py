"""What this process may use, and whether it is one of several that train a run together.

A launcher tells it by environment variables, as torchrun does: RANK, WORLD_SIZE, LOCAL_WORLD_SIZE.
"""

from __future__ import annotations

import os


def usable_cores() -> int:
    """Cores that this process may use; fewer than the machine has inside a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def process_count() -> int:
    """Processes that a launcher started together; 1 if there was none."""
    return int(os.environ.get("WORLD_SIZE", "1"))


def local_count() -> int:
    """Those of them on this machine."""
    return int(os.environ.get("LOCAL_WORLD_SIZE", process_count()))


def is_follower() -> bool:
    """Whether this is one of several processes, and not the main one."""
    return process_count() > 1 and os.environ.get("RANK", "0") != "0"
