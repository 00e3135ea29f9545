"""What a figure was measured on: nothing said without it."""

from __future__ import annotations

import os
import re
from typing import Any

import torch

from projgan import __version__
from projgan.config.schema import RunConfig
from projgan.processes import usable_cores
from projgan.workflows.doctor.load import busy
from projgan.workflows.doctor.processor import processor, vector_units

_KINDS = {"AMX": "amx", "AVX-512 bf16": "avx512_bf16"}
PLAIN = "plain"


def machine_facts(config: RunConfig) -> dict[str, Any]:
    """Processor, units, cores, threads, device and versions, as plain JSON values."""
    device = torch.device(config.training.device)
    return {
        "processor": processor(),
        "units": vector_units(),
        "cores": usable_cores(),
        "cores_of_machine": os.cpu_count() or 1,
        "threads": config.training.threads,
        "device": _device_name(device),
        "kind": kind_of_machine(device),
        "busy": busy(),
        "torch": torch.__version__,
        "projgan": __version__,
    }


def kind_of_machine(device: torch.device) -> str:
    """What ratios depend on: the GPU's name, or of the CPU "amx", "avx512_bf16" or "plain"."""
    if device.type != "cpu":
        return re.sub(r"[^a-z0-9]+", "-", _device_name(device).lower()).strip("-")
    here = vector_units()
    return next((kind for unit, kind in _KINDS.items() if unit in here), PLAIN)


def in_words(facts: dict[str, Any]) -> str:
    """A line such as "AMD EPYC, 2 cores, 1 thread, AVX-512 bf16; torch 2.9.1"."""
    if facts["device"] != "cpu":
        return f"{facts['device']}; torch {facts['torch']}"
    units = facts["units"][-1] if facts["units"] else "no vector units"
    cores, threads = facts["cores"], facts["threads"]
    return (
        f"{facts['processor']}, {cores} {'core' if cores == 1 else 'cores'}, "
        f"{threads} {'thread' if threads == 1 else 'threads'}, {units}; torch {facts['torch']}"
    )


def _device_name(device: torch.device) -> str:
    return torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
