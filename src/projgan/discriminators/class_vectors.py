"""Classes in a head: each has a direction, and a picture is judged by how far it lies along it.

Source: Projected GANs (Sauer et al., 2021), conditional heads; the idea is the projection
discriminator's (Miyato and Koyama, 2018), without its unconditional part.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

DIM = 64
"""Channels of a conditional head's last map, and length of a class's vector."""

_EMBEDDING_DIM = 128


class ClassVectors(nn.Module):
    """A learned vector for each class, and the logits of maps along it; in float32 throughout."""

    def __init__(self, num_classes: int) -> None:
        super().__init__()
        self.embed = nn.Embedding(num_classes, _EMBEDDING_DIM)
        self.project = nn.Linear(_EMBEDDING_DIM, DIM)
        self.activation = nn.LeakyReLU(0.2)

    def forward(self, x: Tensor, c: Tensor) -> Tensor:
        """(B, 64, h, w) maps and (B,) class indices -> (B, 1, h, w) logits."""
        with torch.autocast(x.device.type, enabled=False):
            vectors = self.activation(self.project(self.embed(c)))  # (B, 64)
            products = x.to(vectors.dtype) * vectors[:, :, None, None]
            return products.sum(dim=1, keepdim=True) / math.sqrt(DIM)
