"""From pictures in [-1, 1] to the numbers that a network was trained on.

Every pretrained network expects its own mean and spread. With u = (x + 1) / 2 in [0, 1], it wants
(u - mean) / std a channel. Where mean and std are 0.5 (EfficientNet-Lite, some transformers) that
is x itself, and nothing is computed.

Deviation: the official code feeds x in [-1, 1] to every network. That is right for the one it
uses, and this rule gives the same there; for networks with ImageNet statistics it would be wrong.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Normalise(nn.Module):
    """(B, 3, H, W) in [-1, 1] -> the network's own scale. Nothing learned, nothing saved.

    Args:
        mean: of red, green and blue in [0, 1], over the pictures that the network was trained on.
        std: their standard deviations.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, mean: Sequence[float], std: Sequence[float]) -> None:
        super().__init__()
        self.is_identity = all(value == 0.5 for value in (*mean, *std))
        means, stds = torch.tensor([mean, std], dtype=torch.float64, device="cpu")
        # ((x + 1) / 2 - mean) / std as one product and one sum.
        scale, shift = 0.5 / stds, (0.5 - means) / stds
        self.register_buffer("scale", scale.float().view(3, 1, 1), persistent=False)
        self.register_buffer("shift", shift.float().view(3, 1, 1), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        """The pictures in the network's scale; the same tensor where that is [-1, 1]."""
        return images if self.is_identity else images * self.scale + self.shift
