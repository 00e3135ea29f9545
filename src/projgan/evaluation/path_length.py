"""How evenly pictures change along a walk between latents, over an extractor's features.

A point on the arc between two latents and one a little further on: the squared distance of their
features by the square of the step, averaged over arcs. Low: no sudden jumps.

Deviation: the published perceptual path length measures with LPIPS (VGG) on cropped pictures, drops
the extremes, and for StyleGAN also walks in w. This figure is over other features, keeps all arcs
and walks in z on the sphere; it is named after its extractor and not comparable.

Source: Karras et al., A Style-Based Generator Architecture for GANs (2019), for the idea.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

STEP = 1e-3
"""Share of the arc. Not 1e-4 as published: float32 features would drown it in rounding."""


def path_length(
    start: Tensor, end: Tensor, at: Tensor, features_of: Callable[[Tensor], Tensor]
) -> Tensor:
    """The squared speed of the features along each arc: (N,) float64, >= 0.

    Args:
        start, end: (N, z_dim) latents, ends of N arcs.
        at: (N,) in [0, 1 - STEP], where on each arc.
        features_of: (2N, z_dim) latents -> (2N, D) features, not rounded in between; pairs lie
            side by side.
    """
    here, there = slerp(start, end, at), slerp(start, end, at + STEP)
    latents = torch.stack([here, there], dim=1).flatten(0, 1)  # (2N, z_dim)
    features = features_of(latents).to(torch.float64).unflatten(0, (-1, 2))
    return (features[:, 1] - features[:, 0]).square().sum(dim=1) / STEP**2


def slerp(start: Tensor, end: Tensor, at: Tensor) -> Tensor:
    """Points on the arcs from start to end (N, z_dim), in between in length as well; at: (N,)."""
    a, b = start.to(torch.float64), end.to(torch.float64)
    length_a, length_b = a.norm(dim=1, keepdim=True), b.norm(dim=1, keepdim=True)
    unit_a, unit_b = a / length_a, b / length_b
    t = at.to(torch.float64)[:, None]
    angle = (unit_a * unit_b).sum(dim=1, keepdim=True).clamp(-1, 1).acos()
    sine = angle.sin()
    # Latents of many entries are nearly at right angles; only for equal ones is there no arc.
    straight = sine < 1e-9
    safe = torch.where(straight, torch.ones_like(sine), sine)
    arc = (((1 - t) * angle).sin() * unit_a + (t * angle).sin() * unit_b) / safe
    direction = torch.where(straight, unit_a, arc)
    return (direction * torch.lerp(length_a, length_b, t)).to(start.dtype)
