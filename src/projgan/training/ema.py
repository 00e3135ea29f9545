"""The averaged generator: an exponential moving average with a half-life counted in images.

Source: method facts of the reference, as StyleGAN2 trains. Parameters are averaged; buffers (batch
statistics, spectral-norm vectors) are copied, because an average of them fits no single set of
weights.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def ema_beta(images_seen: int, *, batch: int, half_life_kimg: float, rampup: float) -> float:
    """Share of the old average that one step keeps.

    Args:
        images_seen: images seen *before* this step; 0 gives 0, so the first step copies the
            generator.
        batch: images of the step.
        half_life_kimg: thousand images after which an old weight counts half.
        rampup: the half-life is at most this share of `images_seen`; 0 means no ramp-up.
    """
    half_life = half_life_kimg * 1000
    if rampup > 0:
        half_life = min(half_life, rampup * images_seen)
    return 0.5 ** (batch / max(half_life, 1e-8))


@torch.no_grad()
def update_ema(average: nn.Module, model: nn.Module, beta: float) -> None:
    """Average <- model + beta * (average - model) for parameters; buffers are copied."""
    old: list[Tensor] = list(average.parameters())
    new: list[Tensor] = [parameter.detach() for parameter in model.parameters()]
    torch._foreach_lerp_(old, new, 1.0 - beta)
    for old_buffer, new_buffer in zip(average.buffers(), model.buffers(), strict=True):
        old_buffer.copy_(new_buffer)
