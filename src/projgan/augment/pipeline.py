"""What the step puts before the discriminator: some operations always, others by chance.

Always-on operations with a wide range are safe for few pictures, but what they do leaks into the
samples: always mirrored pictures teach a generator to mirror. Operations that happen with a
probability below 1 leak less, and `augment.controllers` can steer that probability.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from projgan.augment.operations import OPERATIONS
from projgan.errors import choose_from
from projgan.rng import uniform


class Augment:
    """(B, C, H, W) -> the same shape, with new draws for every sample.

    Args:
        policy: operations that every sample gets, in order.
        adaptive: operations that each sample gets with probability `p`, each decided for itself,
            after those of the policy.
        p: probability of each adaptive operation, 0 to 1; may be changed between batches.
    Raises: UsageError: for an unknown name.
    """

    def __init__(self, policy: Sequence[str], *, adaptive: Sequence[str] = (), p: float = 0.0):
        for name in (*policy, *adaptive):
            if name not in OPERATIONS:
                raise choose_from("augmentation", name, tuple(OPERATIONS))
        self.policy = tuple(policy)
        self.adaptive = tuple(adaptive)
        self.p = p

    def __call__(self, images: Tensor, *, generator: torch.Generator | None = None) -> Tensor:
        """Augment a batch; samples that no operation chose come out bit for bit as they went in.

        Args:
            images: about [-1, 1].
            generator: source of the draws, on the images' device or the CPU; None: torch's.
        """
        for name in self.policy:
            images = OPERATIONS[name](images, generator)
        for name in self.adaptive:
            # Drawn whatever p is, so that p never shifts the other draws.
            chance = uniform((len(images),), generator, images)
            augmented = OPERATIONS[name](images, generator)
            images = torch.where((chance < self.p).view(-1, 1, 1, 1), augmented, images)
        return images

    def __repr__(self) -> str:
        by_chance = f"; {','.join(self.adaptive)} at p={self.p:.2f}" if self.adaptive else ""
        return f"Augment({','.join(self.policy)}{by_chance})"
