"""Pictures -> features for the metrics. What a metric looks through is part of its name.

The default is EfficientNet-Lite1, and a distance over its features is called `fd-lite1`. Only
figures over Inception-v3, by the standard protocol's resize and features, are called FID, KID and
IS: the numbers are not comparable.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import torch
from torch import Tensor

from projgan.errors import DataError, UsageError
from projgan.evaluation.networks import INCEPTION, open_view
from projgan.features.frozen import FrozenModule
from projgan.features.weight_files import DEFAULT
from projgan.images import over, to_float, to_uint8

_STANDARD = {"fd": "FID", "kid": "KID", "is": "IS"}


class Extractor(FrozenModule):
    """A frozen pretrained network up to its pooled features.

    The default is not the discriminator's view: another network (lite1, while heads look through
    lite0) and another layer. Both were trained on ImageNet all the same, so a low figure is weaker
    evidence than it looks; dinov2 is the second opinion.

    It keeps no state and touches no global setting: several threads may use one extractor.

    Args:
        name: one of `networks.known_extractors()`.
        weights: a file with its weights; DEFAULT: where they usually lie.

    Attributes:
        num_features: D.
        metric: what a Frechet distance over these features is called, for example "fd-lite1".
        description: network, features and preprocessing in words, for printing beside a number.
        identity: names network, weights and preprocessing: features of one identity are comparable.

    Raises:
        UsageError: unknown name.
        ResourceError: the weights are not on this machine.
        CheckpointError: the weights file is damaged.
    """

    def __init__(self, name: str = "lite1", *, weights: str | Path = DEFAULT) -> None:
        super().__init__()
        self.name = name
        self.trunk = open_view(name, weights)
        self.num_features = self.trunk.num_features
        self.metric = self.metric_name("fd")
        self.description = f"{name}, {self.num_features} features, {self.trunk.resize}"
        self.identity = self.trunk.identity
        self._freeze()

    def metric_name(self, metric: str) -> str:
        """What a metric over these features is called: "kid" -> "kid-lite1", or "KID"."""
        standard = _STANDARD.get(metric) if self.name == INCEPTION else None
        return standard or f"{metric}-{self.name}"

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W), uint8 or float in [-1, 1] -> (B, D) float32, on the images' device.

        Floats are first clipped and rounded to 256 levels: a picture counts as it would from its
        file. Grey (C = 1) is repeated, and what is transparent (C = 4) is laid over white. Whatever
        their shape, pictures are seen as squares.

        Raises:
            UsageError: the shape is another.
            DataError: floats that are not finite; rounding to 256 levels would hide them.
        """
        _require_pictures(images)
        return self._look(to_float(images if images.dtype == torch.uint8 else to_uint8(images)))

    @torch.no_grad()
    def unrounded(self, images: Tensor) -> Tensor:
        """As `forward`, for floats that are not rounded: differences finer than a file can hold.

        Raises: as `forward`; and UsageError: this network takes 256 levels only.
        """
        _require_pictures(images)
        assert images.is_floating_point(), "levels of a file have nothing finer to keep"
        if not self.trunk.is_smooth:
            raise UsageError(
                f"{self.name} sees pictures of 256 levels, and no finer differences",
                where="option --metrics",
                next_command="--extractor lite1",
            )
        return self._look(images.clamp(-1, 1))

    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features of many pictures, batch after batch: -> (N, D) float32 on the CPU, in order.

        Batches are as in `forward`, on any device, and may differ in size; N = 0 if there are none.
        """
        device = next(self.parameters()).device
        rows = [self(batch.to(device)).cpu() for batch in batches]
        return torch.cat(rows) if rows else torch.empty(0, self.num_features)

    def logits(self, features: Tensor) -> Tensor | None:
        """Class logits of features (N, D) on the CPU: (N, classes); None if it knows no classes."""
        if self.trunk.head is None:
            return None
        logits = features @ self.trunk.head.T
        return logits if self.trunk.bias is None else logits + self.trunk.bias

    def _look(self, images: Tensor) -> Tensor:
        # float32 under any autocast of the caller's: a figure must not depend on who asks for it.
        with torch.autocast(images.device.type, enabled=False):
            features: Tensor = self.trunk(over(images))
        return features.float()


def _require_pictures(images: Tensor) -> None:
    if images.dim() != 4 or images.shape[1] not in (1, 3, 4):
        raise UsageError(
            f"expected pictures of shape (B, C, H, W), C 1, 3 or 4, got {tuple(images.shape)}"
        )
    if images.is_floating_point() and not bool(torch.isfinite(images).all()):
        raise DataError("pictures hold numbers that are not finite; the generator may be broken")
