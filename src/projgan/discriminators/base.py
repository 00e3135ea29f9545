"""The contract that any discriminator meets."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from torch import Tensor, nn


class Discriminator(nn.Module):
    """Pictures in, raw logits out: (B, 3, H, W) in [-1, 1] -> (B, M), above 0 means "looks real".

    How many logits a picture gets is the discriminator's own affair; losses average over them.
    """

    @property
    def learner(self) -> nn.Module:
        """The part that learns, whose parameters the optimiser moves; all of it by default."""
        return self

    def look(self, images: Tensor) -> list[Tensor]:
        """What the learner sees of pictures (B, 3, H, W); by default the pictures themselves."""
        return [images]

    def verdict(self, seen: list[Tensor], c: Tensor | None = None) -> Tensor:
        """The logits (B, M) of what `look` gave; c: (B,) class indices, with classes only."""
        logits: Tensor = self(*seen, c)
        return logits

    def parts(self) -> list[nn.Module]:
        """The modules that `look` and `verdict` call, each as a whole; by default this one."""
        return [self]

    def logits_by_head(self, logits: Tensor) -> Sequence[Tensor]:
        """The logits (B, M) of a verdict, head by head; by default there is but one."""
        return (logits,)

    def segments(self) -> list[nn.Module]:
        """As of a generator (`generators.base`); by default none."""
        return []

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """What the optimiser gets: the parameters of the learner, nothing frozen."""
        return self.learner.parameters()
