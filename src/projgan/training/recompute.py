"""Less memory, the same numbers: parts of the networks whose inner maps are computed a second time.

Between forward and backward such a part keeps its inputs alone. When its gradients are due it runs
once more, and only then are its maps there, those of one part at a time: a forward pass more for
each, a fifth to a third of a step.

What moves in a forward pass must not move twice. A part that is in training (batch statistics,
vectors of spectral norm) therefore runs the second time with copies of its buffers as they were
before the first; torch's random stream (noise) is wound back likewise. So the second pass is the
first one over again, bit for bit, and leaves nothing behind.

Source: Training Deep Nets with Sublinear Memory Cost (Chen et al., 2016).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from projgan.discriminators.base import Discriminator
from projgan.generators.base import Generator

Buffers = list[tuple[nn.Module, str, Tensor]]
"""The owner of each buffer, its name there, and a copy."""


def recompute_parts(generator: Generator, discriminator: Discriminator) -> None:
    """Let the parts that both networks name (`segments`) keep nothing between the passes.

    State dicts, and results, stay what they are. Call it after the average was copied, which has no
    backward.
    """
    for part in (*generator.segments(), *discriminator.segments()):
        _recompute(part)


def _recompute(part: nn.Module) -> None:
    """Replace the forward of this one module."""
    forward = part.forward

    def sparing(*inputs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*inputs)
        return checkpoint(_Replayed(part, forward), *inputs, use_reentrant=False)

    # An attribute of the instance: names in the state dict stay, as they would not in a wrapper.
    part.forward = sparing


class _Replayed:
    """A forward pass that, from its second call on, starts from the buffers of its first."""

    def __init__(self, part: nn.Module, forward: Callable[..., Any]) -> None:
        self._part, self._forward = part, forward
        self._before: Buffers | None = None

    def __call__(self, *inputs: Any) -> Any:
        if self._before is None:
            self._before = _copies(_buffers(self._part))
            return self._forward(*inputs)
        with _in_place_of(_copies(self._before)):
            return self._forward(*inputs)


def _buffers(part: nn.Module) -> Buffers:
    """What a forward pass can move: nothing in evaluation."""
    return [
        (module, name, value)
        for module in part.modules()
        if module.training
        for name, value in module.named_buffers(recurse=False)
    ]


def _copies(buffers: Buffers) -> Buffers:
    return [(module, name, value.clone()) for module, name, value in buffers]


@contextlib.contextmanager
def _in_place_of(copies: Buffers) -> Iterator[None]:
    """Let modules have these buffers; their own come back, untouched, also after an early stop."""
    own = [(module, name, module.get_buffer(name)) for module, name, _ in copies]
    try:
        _hand_out(copies)
        yield
    finally:
        _hand_out(own)


def _hand_out(buffers: Buffers) -> None:
    for module, name, value in buffers:
        setattr(module, name, value)
