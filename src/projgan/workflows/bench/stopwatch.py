"""Seconds of work on a device: of the wall, or of the processor where others use it as well."""

from __future__ import annotations

import time

import torch

from projgan.config.schema import RunConfig
from projgan.errors import UsageError


class Stopwatch:
    """Reads the time when a device has done all that it was given.

    Args:
        device: what is waited for.
        of_processor: count what the processor spent on this process, whatever else it did
            meanwhile. Reading files and waiting take no such time.
    """

    def __init__(self, device: torch.device, *, of_processor: bool = False) -> None:
        self._device = device
        self._read = time.process_time if of_processor else time.perf_counter

    def now(self) -> float:
        """Seconds since some moment."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        elif self._device.type == "mps":
            torch.mps.synchronize()
        return self._read()


def require_processor_time(config: RunConfig) -> None:
    """Raise UsageError unless a step's processor time is the time that it takes on an idle machine.

    Only work of one thread is: several threads spend time side by side, and waiting for each other.
    """
    training = config.training
    if training.device != "cpu" or training.threads != 1:
        raise UsageError(
            "processor time is for one thread on the CPU",
            where=f"device {training.device}, {training.threads} threads",
            next_command="add --device cpu --threads 1, or leave --cpu-time out",
        )
