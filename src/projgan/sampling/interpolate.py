"""Walks through latent space: closed loops over the sphere that key latents lie on.

Normal latents of many dimensions lie close to a sphere and almost at right angles to each other.
A straight line between two of them leaves that sphere and passes through latents that no generator
was trained on; a great circle does not. (FastGAN scales every latent to one length anyway; other
generators need not.)
"""

from __future__ import annotations

import torch
from torch import Tensor

from projgan.errors import UsageError

_TINY = 1e-9
"""Lengths of unit-scale vectors below which a direction is rounding noise (float64)."""


def spherical_path(z_keys: Tensor, frames: int, *, smooth: bool = False) -> Tensor:
    """A closed loop through all keys, back to the first one.

    Frame i stands at i / frames of the loop and each leg takes the same share of it, so the last
    frame is one step before the first and a looped film has no hitch.

    Args:
        z_keys: (K, z), K >= 1, no row all zero.
        frames: number of frames, >= 1. A multiple of K puts every key on a frame.
        smooth: False: great circles, at constant speed within a leg, with a corner at each key.
            True: a spline through the same keys without corners, a little slower at them.

    Returns:
        (frames, z), dtype and device of z_keys. Row 0 is the first key. A frame's length lies
        between those of the two keys it is between.

    Raises:
        UsageError: if frames is out of range or z_keys is not such a matrix.
    """
    if frames < 1:
        raise UsageError(f"a walk of {frames} frames cannot be made; it needs at least 1")
    if z_keys.ndim != 2 or z_keys.shape[0] == 0:
        raise UsageError(f"a walk needs keys of shape (K, z), not {tuple(z_keys.shape)}")
    keys = z_keys.detach().to("cpu", torch.float64)  # some devices have no float64
    norms = keys.norm(dim=1, keepdim=True)
    if not bool((norms > 0).all()):
        raise UsageError("a walk cannot pass through an all-zero latent: it has no direction")
    directions = keys / norms

    count = keys.shape[0]
    # Whole numbers first, so that a frame on a key has t = 0 exactly.
    position = torch.arange(frames) * count
    start = position // frames
    end = (start + 1) % count
    t = ((position % frames).to(torch.float64) / frames)[:, None]
    if smooth:
        before, after = (start - 1) % count, (start + 2) % count
        on_sphere = _spline([directions[i] for i in (before, start, end, after)], t)
        t = t * t * (3 - 2 * t)  # or the length would turn a corner at every key
    else:
        on_sphere = slerp(directions[start], directions[end], t)
    path = on_sphere * torch.lerp(norms[start], norms[end], t)
    return path.to(z_keys.device, z_keys.dtype)


def slerp(a: Tensor, b: Tensor, t: Tensor) -> Tensor:
    """Unit vectors along the shorter great circle from a (t = 0) to b (t = 1).

    Args:
        a, b: (N, z) unit vectors. Between opposite ones every great circle is equally short; a
            fixed one is taken. Between equal ones nothing moves.
        t: (N, 1).

    Returns:
        (N, z).

    Source: Shoemake, "Animating rotation with quaternion curves" (1985); written so that nothing is
        divided by the sine of the angle.
    """
    return _moved(a, t * _way(a, b))


def _way(a: Tensor, b: Tensor) -> Tensor:
    """How to get from a to b: (N, z), at right angles to a, as long as the angle between them."""
    cosine = (a * b).sum(dim=1, keepdim=True)
    sideways = b - cosine * a
    sine = sideways.norm(dim=1, keepdim=True)
    is_aligned = sine < _TINY
    unit = torch.where(is_aligned, _perpendicular(a), sideways / sine.clamp_min(_TINY))
    return torch.atan2(sine, cosine) * unit


def _moved(a: Tensor, way: Tensor) -> Tensor:
    """Where one arrives from a on the great circle along `way`, whose length is the angle to go."""
    angle = way.norm(dim=1, keepdim=True)
    return torch.cos(angle) * a + torch.sinc(angle / torch.pi) * way


def _perpendicular(a: Tensor) -> Tensor:
    """(N, z) unit vectors at right angles to the rows of a, always the same for the same row."""
    axis = torch.zeros_like(a).scatter_(1, a.abs().argmin(dim=1, keepdim=True), 1.0)
    rest = axis - (axis * a).sum(dim=1, keepdim=True) * a
    return rest / rest.norm(dim=1, keepdim=True).clamp_min(_TINY)


def _spline(corners: list[Tensor], t: Tensor) -> Tensor:
    """From the second of four corners to the third, on a cubic Bézier curve made of great circles.

    The velocity at a corner is half the way to the next one less half the way to the one before
    (Catmull-Rom), so two neighbouring pieces meet with the same velocity.
    """
    before, start, end, after = corners
    leaving = (_way(start, end) - _way(start, before)) / 2
    arriving = (_way(end, after) - _way(end, start)) / 2
    points = [start, _moved(start, leaving / 3), _moved(end, -arriving / 3), end]
    while len(points) > 1:
        points = [slerp(a, b, t) for a, b in zip(points, points[1:], strict=False)]
    return points[0]
