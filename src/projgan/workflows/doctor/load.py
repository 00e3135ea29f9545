"""How many cores there are, and whether others are using them."""

from __future__ import annotations

import os

_BUSY_SHARE = 0.5


def usable_cores() -> int:
    """Cores that this process may use; fewer than the machine has inside a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def busy() -> str:
    """A clause such as "the machine was busy (load 6.1 on 2 cores)"; empty if it was not."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < _BUSY_SHARE * cores:
        return ""
    return f"the machine was busy (load {load:.1f} on {cores} cores)"
