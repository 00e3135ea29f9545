"""Best of n: which seeds compete for one picture.

Seeds that compete lie a fixed stride apart, so that no two pictures have a candidate in common, a
kept seed tells by its last digits for which picture it was drawn, and all candidates of a picture
have the class of its turn.
"""

from __future__ import annotations

from collections.abc import Sequence

from projgan.errors import UsageError

STRIDE = 100_000
"""At least so far apart are the candidates of one picture; seeds that are asked for are below."""


def candidate_seeds(seeds: Sequence[int], count: int, *, num_classes: int = 0) -> list[list[int]]:
    """For each of `seeds` the `count` seeds that compete, itself first.

    Seed 7 competes with 100007, 200007 ...; with classes the stride is the next multiple of their
    number.

    Raises: UsageError: fewer than two compete, or a seed is not below the stride.
    """
    if count < 2:
        raise UsageError(f"best of {count} is no choice: at least 2", where="option --best-of")
    beyond = [seed for seed in seeds if seed >= STRIDE]
    if beyond:
        raise UsageError(
            f"seed {beyond[0]} is too large to choose the best of several: at most {STRIDE - 1}",
            where="option --seeds",
            next_command="smaller seeds, or the picture of that very seed without --best-of",
        )
    stride = STRIDE if not num_classes else -(-STRIDE // num_classes) * num_classes
    return [[seed + turn * stride for turn in range(count)] for seed in seeds]
