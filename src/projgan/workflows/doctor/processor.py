"""The processor's name, and the units of it that decide how fast it trains."""

from __future__ import annotations

import platform
import re
from pathlib import Path

import torch

_UNITS = {
    "AVX2": "_is_avx2_supported",
    "AVX-512": "_is_avx512_supported",
    "AVX-512 bf16": "_is_avx512_bf16_supported",
    "AMX": "_is_amx_tile_supported",
}


def processor() -> str:
    """What the processor calls itself."""
    try:
        text = Path("/proc/cpuinfo").read_text(encoding="utf-8")
    except OSError:
        return platform.processor() or platform.machine()
    name = re.search(r"model name\s*:\s*(.+)", text)
    return name[1] if name else platform.machine()


def vector_units() -> list[str]:
    """The units that torch can use here, weakest first: AVX2, AVX-512, AVX-512 bf16, AMX."""
    return [name for name, probe in _UNITS.items() if getattr(torch.cpu, probe, lambda: False)()]
