"""Learning rates over a run: constant, then falling along a line towards its end.

Near its goal a generator that still takes large steps dances around it: colours and textures go to
and fro from one grid to the next. Smaller steps at the end let it settle.

Deviation: neither the paper nor the reference lets learning rates fall; `optimizer.decay` is 0 in
the presets that follow them.
"""

from __future__ import annotations

import torch

LAST_FACTOR = 0.05
"""What is left of a learning rate after the last image of a run that lets it fall."""


def learning_rate_factor(images_seen: int, *, images: int, decay: float) -> float:
    """What a learning rate is multiplied with: 1, then along a line down to `LAST_FACTOR`.

    Args:
        images_seen: before the step, 0 or more; beyond `images` the factor stays where it is.
        images: length of the run.
        decay: share of the run, at its end, in which rates fall; 0: never.
    """
    left = max(0.0, 1.0 - images_seen / images)
    if left >= decay:
        return 1.0
    return LAST_FACTOR + (1.0 - LAST_FACTOR) * left / decay


def scale_learning_rate(optimizer: torch.optim.Optimizer, factor: float) -> None:
    """Give every group of `optimizer` this share of the rate that it was made with."""
    for group in optimizer.param_groups:
        group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
