"""Networks compiled in place by `torch.compile`, after a rehearsal that decides whether it works.

Compiling joins what is done to one number after the other, which saves a GPU passes over memory and
the host most of its calls. It needs a compiler (Triton on CUDA, C++ on a CPU) and a minute. If
anything is missing or fails, the networks stay as they were and the reason is told.

Compiled are the generator, and of the discriminator what is frozen and what learns. Left out: the
optimisers, which work in one piece already; the average; the augmentation, whose draws differ from
picture to picture; and a discriminator with a penalty, whose gradient is differentiated once more,
which compiled code cannot be.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from projgan.augment.pipeline import Augment
from projgan.config.schema import RunConfig
from projgan.images import to_float
from projgan.training.ranks import ALONE, Ranks
from projgan.training.state import TrainingState
from projgan.training.step import TrainStep


def compile_networks(
    state: TrainingState,
    config: RunConfig,
    augment: Augment,
    labels: Tensor | None = None,
    *,
    ranks: Ranks = ALONE,
) -> str:
    """Compile the networks of `state` in place; parameters and buffers stay what they are.

    Args:
        config, augment, labels, ranks: as for `training.step.TrainStep`.
    Returns: why it was given up, in a few words; empty if it was not.
    """
    if ranks.count > 1 and config.training.batch_norm == "sync":
        return "batch norms that processes share talk to each other in between"
    has_penalty = config.discriminator.penalty_every > 0
    parts = [state.generator, *([] if has_penalty else state.discriminator.parts())]
    held = _Held([state.generator, state.discriminator])
    try:
        for part in parts:
            part.compile()
        _Rehearsal(config, augment, labels, ranks=_Mute(ranks)).play(
            state, config.data.size, config.data.channels
        )
    except Exception as error:  # compilers fail in ways of their own
        for part in parts:
            part._compiled_call_impl = None  # what `Module.compile` sets
        return _in_words(error)
    finally:
        held.put_back()
    return ""


class _Mute(Ranks):
    """A rank that keeps to itself: another may compile for longer, or not at all."""

    def __init__(self, ranks: Ranks) -> None:
        self.index, self.count = ranks.index, ranks.count


class _Rehearsal(TrainStep):
    """All passes of a step, forward and backward, with no update; on black pictures."""

    def play(self, state: TrainingState, size: tuple[int, int], channels: int) -> None:
        """Compile what is not compiled yet, for the shapes that every step has."""
        shape = (self.batch // self.ranks.count, *size, channels)
        real = torch.zeros(shape, dtype=torch.uint8, device=self.device).permute(0, 3, 1, 2)
        c = torch.zeros(len(real), dtype=torch.int64, device=self.device)
        labels = c.split(self.micro_batch) if self.is_conditional else self._no_classes()
        self._both_turns(state, to_float(real).split(self.micro_batch), labels)

    def _apply(
        self,
        state: TrainingState,
        optimizer: torch.optim.Optimizer,
        name: str,
    ) -> None:
        optimizer.zero_grad(set_to_none=True)

    def _require_finite(self, state: TrainingState, values: list[Tensor], name: str) -> None:
        """Anything will do."""


class _Held:
    """The buffers and gradients of networks as they were."""

    def __init__(self, networks: Sequence[nn.Module]) -> None:
        self._networks = networks
        self._buffers: list[tuple[Tensor, Tensor]] = [
            (buffer, buffer.clone()) for network in networks for buffer in network.buffers()
        ]

    @torch.no_grad()
    def put_back(self) -> None:
        """Undo what passes leave behind: batch statistics, spectral-norm vectors, gradients."""
        for buffer, value in self._buffers:
            buffer.copy_(value)
        for network in self._networks:
            for parameter in network.parameters():
                parameter.grad = None


def _in_words(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:160]}" if lines else type(error).__name__
