"""How much there is to compute in a step, and how fast the machine multiplies."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry, shape_wrapper

from projgan.config.schema import RunConfig
from projgan.workflows.bench.rounds import Way
from projgan.workflows.bench.spread import digits
from projgan.workflows.doctor.speed import MATRIX_SIDE, matrix_rate

COUNTED = "convolutions and matrix products of a step, forward and backward; a multiply-add is two"
_SIDES = {"cuda": 8 * MATRIX_SIDE}
"""Of the matrices that a device is measured with, where a small one does not fill it."""


@dataclass(frozen=True)
class Work:
    """The operations of a step, beside what the machine reaches in a product of large matrices.

    Attributes:
        flops: of one step; see COUNTED.
        step_s: seconds of a step.
        matrix_rate: operations a second of a matrix product in the run's precision.
    """

    flops: int
    step_s: float
    matrix_rate: float

    @property
    def rate(self) -> float:
        """Operations a second of the step."""
        return self.flops / self.step_s

    @property
    def share(self) -> float:
        """Of the matrix rate: 0 to about 1."""
        return self.rate / self.matrix_rate

    def as_dict(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "flops": self.flops,
            "counted": COUNTED,
            "flops_per_s": digits(self.rate),
            "matrix_flops_per_s": digits(self.matrix_rate),
            "share": digits(self.share),
        }


def measure_work(way: Way, step_s: float) -> Work:
    """Count a step of `way`, and measure its machine; costs a step or two."""
    training = way.config.training
    device = torch.device(training.device)
    rate = matrix_rate(
        device,
        training.precision,
        threads=training.threads,
        side=_SIDES.get(device.type, MATRIX_SIDE),
        read=way.stopwatch.now,
    )
    eager = not_compiled(way.config)
    # What is compiled cannot be counted; the same networks as they are written compute the same.
    counted = way if eager == way.config else Way("to count", eager, way.feed.pictures)
    return Work(count_flops(counted), step_s, rate)


def count_flops(way: Way) -> int:
    """Operations of one step; see COUNTED."""
    with FlopCounter() as counter:
        way.whole()
    return counter.flops


class FlopCounter(TorchDispatchMode):
    """Adds up what is computed inside, by PyTorch's formulas but for backward convolutions.

    Not `FlopCounterMode`: it follows modules by hooks that `autograd.grad` cannot bear.
    """

    def __init__(self) -> None:
        super().__init__()
        self.flops = 0
        backward = torch.ops.aten.convolution_backward
        self._formulas = {**flop_registry, backward: shape_wrapper(backward_flops)}

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        formula = self._formulas.get(func.overloadpacket)
        if formula is not None:
            self.flops += int(formula(*args, **(kwargs or {}), out_val=result))
        return result


def not_compiled(config: RunConfig) -> RunConfig:
    """The same run with nothing compiled; the very same if nothing is."""
    if config.training.compile == "off":
        return config
    return dataclasses.replace(config, training=dataclasses.replace(config.training, compile="off"))


def backward_flops(
    gradient: list[int],
    x: list[int],
    weight: list[int],
    *others: Any,
    out_shape: Any = None,
) -> int:
    """Of a convolution's backward pass: each gradient that is asked for costs what forward does.

    PyTorch's own formula forgets the groups: it finds a depthwise layer of 960 channels 960 times
    as dear as it is.

    Args:
        gradient, x, weight: the shapes of the first three arguments of `convolution_backward`.
        others: its further arguments: bias, stride, padding, dilation, whether it is transposed,
            output padding, groups, and which gradients are asked for.
    """
    is_transposed, wanted = others[4], others[7]
    positions = math.prod((x if is_transposed else gradient)[2:])
    forward = 2 * x[0] * positions * math.prod(weight)
    return forward * (int(wanted[0]) + int(wanted[1]))
