"""Whether others are using the cores."""

from __future__ import annotations

import os

_BUSY_SHARE = 0.5


def busy() -> str:
    """A clause such as "the machine was busy (load 6.1 on 2 cores)"; empty if it was not."""
    if not hasattr(os, "getloadavg"):
        return ""
    load, cores = os.getloadavg()[0], os.cpu_count() or 1
    if load < _BUSY_SHARE * cores:
        return ""
    return f"the machine was busy (load {load:.1f} on {cores} cores)"
