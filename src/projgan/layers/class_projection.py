"""Class projection: how well features fit a class, as one number.

Source: Miyato and Koyama, cGANs with Projection Discriminator (2018).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn


class ClassProjection(nn.Module):
    """The product of a picture's features and its class's vector, which is learned.

    Args:
        num_classes: how many there are.
        channels: length of the features.
    """

    def __init__(self, num_classes: int, channels: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_classes, channels)
        self.gain = 1 / math.sqrt(channels)

    def forward(self, features: Tensor, c: Tensor) -> Tensor:
        """(B, channels) and (B,) class indices -> (B, 1), float32; add it to the logits."""
        fit = features.to(torch.float32) * self.embed(c)
        return fit.sum(dim=1, keepdim=True) * self.gain
