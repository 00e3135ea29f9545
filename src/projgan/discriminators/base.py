"""The contract that any discriminator meets."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn


class Discriminator(nn.Module):
    """Pictures in, raw logits out: (B, 3, H, W) in [-1, 1] -> (B, M), above 0 means "looks real".

    How many logits a picture gets is the discriminator's own affair; losses average over them.
    """

    @property
    def learner(self) -> nn.Module:
        """The part that learns, whose parameters the optimiser moves; all of it by default."""
        return self

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """What the optimiser gets: the parameters of the learner, nothing frozen."""
        return self.learner.parameters()
