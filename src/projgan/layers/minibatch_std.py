"""Minibatch standard deviation: tells a discriminator how much the pictures of a batch differ.

A generator that makes one picture over and over can fool a judge who sees each picture alone. With
this layer the judge sees that they are all alike.

Source: Progressive GANs (Karras et al., 2018), section 3; in groups as in StyleGAN2 (Karras et al.,
2020).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

GROUP = 4
EPS = 1e-8


def group_size(batch: int, wanted: int = GROUP) -> int:
    """How many of `batch` samples are compared: the largest divisor from `wanted` down to 2.

    Without one it is the smallest divisor above, at last the batch itself.
    """
    sizes = [*range(min(wanted, batch), 1, -1), *range(wanted + 1, batch + 1)]
    return next((size for size in sizes if batch % size == 0), 1)


class MinibatchStd(nn.Module):
    """Adds one channel: the mean standard deviation among samples, equal at all its positions.

    Args:
        group: samples compared with each other, where the batch divides into such groups
            (`group_size`). A sample without company has the standard deviation 0.
    """

    def __init__(self, *, group: int = GROUP) -> None:
        super().__init__()
        self.group = group

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C + 1, H, W); neighbours in the batch make up a group."""
        batch = len(x)
        size = group_size(batch, self.group)
        exact = x.to(torch.promote_types(x.dtype, torch.float32))
        groups = exact.unflatten(0, (batch // size, size))
        variance = groups.var(dim=1, correction=0)  # (groups, C, H, W)
        spread = (variance + EPS).sqrt().mean(dim=(1, 2, 3)).repeat_interleave(size)
        # Made from x, so that the result has the memory format of x; an expanded one loses it.
        channel = torch.zeros_like(x[:, :1]) + spread.to(x.dtype).view(-1, 1, 1, 1)
        return torch.cat([x, channel], dim=1)
