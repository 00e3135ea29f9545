"""The processes that train one run together: who this one is, and what they tell each other.

Each process ("rank") has all networks and a share of every batch. Gradients are added up over the
ranks before an update, once for each update however many micro-batches it had, so all ranks make
the same update of the same weights. What is tiny and steers the loop (a signal, the end) goes by a
group of its own over the host, and no device waits for it.

The engine is accelerate, which finds the processes that its own launcher, torchrun or
`projgan train --launch` has started, and knows how their devices talk. Rank 0 is the main one: it
alone writes, measures and decides.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from itertools import chain
from typing import TYPE_CHECKING, Any, TypeVar

import numpy.typing as npt
import torch
from torch import Tensor

from projgan.errors import ResourceError, UsageError
from projgan.training.pulse import Pulse
from projgan.training.signals import FALLEN_ELSEWHERE

if TYPE_CHECKING:
    from projgan.training.state import TrainingState

Sliced = TypeVar("Sliced", Tensor, "npt.NDArray[Any]")

_PATIENCE = timedelta(hours=24)
"""How long one waits for another that is alive: for the main one to measure, say. Ranks that are
gone or stand still are found by their pulse, in seconds."""


class Ranks:
    """One process alone: nothing is shared, and everything stays as it is. See `Group` for many.

    Attributes:
        index, count: which of how many processes this is.
        device: where tensors must be that ranks add up.
    """

    index, count = 0, 1
    device = torch.device("cpu")

    @property
    def is_main(self) -> bool:
        """Whether this process writes and decides."""
        return self.index == 0

    def own(self, parts: Sliced) -> Sliced:
        """This rank's share of what is divided evenly: a slice of a batch, or of micro-batches."""
        share = len(parts) // self.count
        return parts[self.index * share : (self.index + 1) * share]

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """Each tensor <- its sum over all ranks, which have tensors of the same shapes."""

    def agree(self, number: int) -> int:
        """The largest of the numbers that the ranks bring along."""
        return number

    def tell(self, value: Any) -> Any:
        """What the main one brings along; plain values."""
        return value

    def share(self, state: TrainingState) -> None:
        """Make the state of all ranks that of the main one."""

    def say_fallen(self) -> None:
        """Main rank: the others leave their loop, as this one has."""


ALONE = Ranks()


class Group(Ranks):
    """Several processes, of which this is one.

    Args:
        device: "cpu", "cuda" or "mps": what every rank trains on; CUDA ranks have one each.
    Raises: UsageError: accelerate is missing. ResourceError: the others cannot be reached.
    """

    def __init__(self, device: str) -> None:
        try:
            from accelerate import PartialState  # noqa: PLC0415 - optional
        except ImportError as error:
            raise UsageError(
                "training with several processes needs accelerate",
                next_command='pip install "projgan[distributed]"',
            ) from error
        is_cpu = not device.startswith("cuda")
        try:
            self._engine = PartialState(
                cpu=is_cpu, backend="gloo" if is_cpu else None, timeout=_PATIENCE
            )
            # For numbers that steer the loop: no device has to wait for them.
            self._hosts: Any = torch.distributed.new_group(backend="gloo", timeout=_PATIENCE)
        except (RuntimeError, ValueError) as error:
            raise ResourceError(
                f"the processes do not find each other: {str(error).splitlines()[0][:160]}",
                where=f"{os.environ.get('MASTER_ADDR')}:{os.environ.get('MASTER_PORT')}",
                next_command="projgan train DATA --launch N    (or torchrun, on many machines)",
            ) from error
        self.index, self.count = self._engine.process_index, self._engine.num_processes
        self.device = self._engine.device
        self._pulse = Pulse(self.index, self.count, self._tell)

    def add_up(self, tensors: Sequence[Tensor]) -> None:
        """In one message for each type, so that many small tensors cost as little as one."""
        for dtype in sorted({tensor.dtype for tensor in tensors}, key=str):
            alike = [tensor for tensor in tensors if tensor.dtype == dtype]
            bucket = torch.cat([tensor.reshape(-1) for tensor in alike])
            with self._pulse.watching():
                torch.distributed.all_reduce(bucket)
            parts = bucket.split([tensor.numel() for tensor in alike])
            for tensor, part in zip(alike, parts, strict=True):
                tensor.copy_(part.view(tensor.shape))

    def agree(self, number: int) -> int:
        """Over the host."""
        value = torch.tensor(number)
        with self._pulse.watching():
            torch.distributed.all_reduce(
                value, op=torch.distributed.ReduceOp.MAX, group=self._hosts
            )
        return int(value)

    def tell(self, value: Any) -> Any:
        """Over the host."""
        with self._pulse.watching():
            return self._tell(value)

    def _tell(self, value: Any) -> Any:
        values = [value]
        torch.distributed.broadcast_object_list(values, src=0, group=self._hosts)
        return values[0]

    def share(self, state: TrainingState) -> None:
        """Weights, buffers, moments and counters."""
        counters = self.tell(_counters(state))
        _set_counters(state, counters)
        for tensor in _tensors_of(state, is_main=self.is_main, tell=self.tell):
            with self._pulse.watching():
                torch.distributed.broadcast(tensor, src=0)

    def say_fallen(self) -> None:
        """Main rank: the others leave their loop, as this one has."""
        self.agree(FALLEN_ELSEWHERE)

    def leave(self, *, in_peace: bool) -> None:
        """The end of this process's part; in peace all ranks come here, and wait for each other."""
        if in_peace:
            self.agree(0)
        self._pulse.stop()
        if in_peace:
            torch.distributed.destroy_process_group()


def _counters(state: TrainingState) -> dict[str, Any]:
    return {
        "step": state.step,
        "images_seen": state.images_seen,
        "elapsed_s": state.elapsed_s,
        "rollbacks": state.rollbacks,
        "controller": state.controller.state_dict(),
    }


def _set_counters(state: TrainingState, values: Mapping[str, Any]) -> None:
    for name in ("step", "images_seen", "elapsed_s", "rollbacks"):
        setattr(state, name, values[name])
    state.controller.load_state_dict(values["controller"])


def _tensors_of(
    state: TrainingState, *, is_main: bool, tell: Callable[[Any], Any]
) -> Iterator[Tensor]:
    """All tensors of a state in one order; moments that a rank has not yet are made."""
    for network in (state.generator, state.generator_ema, state.discriminator):
        yield from (tensor.data for tensor in chain(network.parameters(), network.buffers()))
    for optimizer in (state.optimizer_g, state.optimizer_d):
        parameters = [p for group in optimizer.param_groups for p in group["params"]]
        kinds = [sorted(optimizer.state.get(parameter, {})) for parameter in parameters]
        for parameter, names in zip(parameters, tell(kinds), strict=True):
            own = optimizer.state[parameter] if names else {}
            for name in names:
                if not is_main and name not in own:
                    own[name] = _blank(parameter, name)
                yield own[name]


def _blank(parameter: Tensor, name: str) -> Tensor:
    """Room for a moment, or for Adam's counter of steps, which is beside fused parameters."""
    if name == "step":
        return torch.zeros((), dtype=torch.float32, device=parameter.device)
    return torch.empty_like(parameter, requires_grad=False)
