"""Updates that are not finite are kept out, without the host waiting for the device.

What is wrong is kept on the device as one number that stays once it is not 0, and optimisers that
work in one piece ("fused") leave everything as it is while it is not 0. So nothing has to be read
before an update. Where reading costs nothing (everywhere but on CUDA) it is read at once. On CUDA
it is read a step later: the host then waits for the step before the one that it just queued, and
the device always has work.
"""

from __future__ import annotations

import torch
from torch import Tensor

from projgan.errors import DivergedError


class Guard:
    """Watches the losses and gradients of one sitting.

    Args:
        device: where the numbers are.
        late: read a step later; by default on CUDA alone.
    """

    def __init__(self, device: torch.device, *, late: bool | None = None) -> None:
        self._is_late = device.type == "cuda" if late is None else late
        self._names: list[str] = []
        self._culprit = torch.zeros((), dtype=torch.int32, device=device)  # place of a name, plus 1
        self._pending: _Reading | None = None

    def check(self, values: list[Tensor], name: str, *, step: int, images_seen: int) -> None:
        """Look whether these scalars are finite.

        Raises: DivergedError: one is not, and that can be known without waiting.
        """
        if name not in self._names:
            self._names.append(name)
        is_bad = ~torch.isfinite(torch.stack(values)).all()
        if not self._is_late:
            if is_bad:
                raise _diverged(name, step, images_seen)
            return
        own = self._names.index(name) + 1
        self._culprit = torch.where((self._culprit == 0) & is_bad, own, self._culprit)

    def update(self, optimizer: torch.optim.Optimizer) -> None:
        """The optimiser's step; on the device it does nothing if something was not finite."""
        if self._is_late:
            # The hook that gradient scalers use; the optimisers of `build` are fused on CUDA.
            optimizer.found_inf = (self._culprit != 0).float()  # type: ignore[attr-defined]
        optimizer.step()

    def end_step(self, *, step: int, images_seen: int) -> None:
        """Read what the step before this one left behind, and leave this one's to the next.

        Raises: DivergedError: that step had something that is not finite; nothing after it counted.
        """
        if self._is_late:
            reading = _Reading(self._culprit, step, images_seen)
            self.settle()
            self._pending = reading

    def settle(self) -> None:
        """Wait for the last step and read what it left behind.

        Raises: DivergedError: as `end_step`.
        """
        reading, self._pending = self._pending, None
        if reading is not None and (place := reading.value()):
            raise _diverged(self._names[place - 1], reading.step, reading.images_seen)


class _Reading:
    """A number on its way from the device."""

    def __init__(self, number: Tensor, step: int, images_seen: int) -> None:
        self.step, self.images_seen = step, images_seen
        self._arrived: torch.cuda.Event | None = None
        if number.device.type != "cuda":
            self._number = number.clone()
            return
        self._number = torch.empty((), dtype=number.dtype, pin_memory=True)
        self._number.copy_(number, non_blocking=True)
        self._arrived = torch.cuda.Event()
        self._arrived.record(torch.cuda.current_stream(number.device))

    def value(self) -> int:
        """The number, after waiting for it."""
        if self._arrived is not None:
            self._arrived.synchronize()
        return int(self._number)


def _diverged(name: str, step: int, images_seen: int) -> DivergedError:
    return DivergedError(
        f"the {name} is not finite at step {step} ({images_seen} images); "
        "that update was not applied"
    )
