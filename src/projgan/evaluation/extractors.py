"""Pictures -> features for the metrics. What a metric looks through is part of its name.

The extractor is EfficientNet-Lite1 and a distance over its features is called `fd-lite1`. It is
never called FID: that name belongs to Inception-v3, and the numbers are not comparable.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor

from projgan.errors import DataError, UsageError
from projgan.features.backbones import build_classifier_trunk
from projgan.features.frozen import FrozenModule
from projgan.images import over, to_float, to_uint8

NUM_FEATURES = 1280
INPUT_SIZE = 224


class Extractor(FrozenModule):
    """A frozen ImageNet classifier up to its pooled features, the layer before the 1000 classes.

    Not the discriminator's view: another network (lite1, while heads look through lite0) and
    another layer. Both were trained on ImageNet all the same, so a low figure is weaker evidence
    than it looks.

    It keeps no state and touches no global setting: several threads may use one extractor.

    Args:
        name: "lite1" or "lite0".

    Attributes:
        metric: what a Frechet distance over these features is called, for example "fd-lite1".
        description: network, features and preprocessing in words, for printing beside a number.

    Raises:
        UsageError: unknown name.
        ResourceError: the weights are not installed.
        CheckpointError: the weights file is damaged.
    """

    def __init__(self, name: str = "lite1") -> None:
        super().__init__()
        self.name = name
        self.num_features = NUM_FEATURES
        self.metric = f"fd-{name}"
        self.description = f"{name}, {NUM_FEATURES} features, {INPUT_SIZE} px bilinear antialias"
        self.trunk = build_classifier_trunk(name)
        self._freeze()

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        """(B, C, H, W), uint8 or float in [-1, 1] -> (B, 1280) float32, on the images' device.

        Floats are first clipped and rounded to 256 levels: a picture counts as it would from its
        file. Grey (C = 1) is repeated, and what is transparent (C = 4) is laid over white. Whatever
        their shape, pictures are seen as squares.

        Raises:
            UsageError: the shape is another.
            DataError: floats that are not finite; rounding to 256 levels would hide them.
        """
        if images.dim() != 4 or images.shape[1] not in (1, 3, 4):
            raise UsageError(
                f"expected pictures of shape (B, C, H, W), C 1, 3 or 4, got {tuple(images.shape)}"
            )
        if images.is_floating_point() and not bool(torch.isfinite(images).all()):
            raise DataError(
                "pictures hold numbers that are not finite; the generator may be broken"
            )
        pixels = images if images.dtype == torch.uint8 else to_uint8(images)
        # float32 under any autocast of the caller's: a figure must not depend on who asks for it.
        with torch.autocast(pixels.device.type, enabled=False):
            features: Tensor = self.trunk(_resize(over(to_float(pixels))))
        return features

    def features(self, batches: Iterable[Tensor]) -> Tensor:
        """Features of many pictures, batch after batch: -> (N, 1280) float32 on the CPU, in order.

        Batches are as in `forward`, on any device, and may differ in size; N = 0 if there are none.
        """
        device = next(self.parameters()).device
        rows = [self(batch.to(device)).cpu() for batch in batches]
        return torch.cat(rows) if rows else torch.empty(0, self.num_features)


def _resize(images: Tensor) -> Tensor:
    """(B, 3, H, W) -> (B, 3, 224, 224), bilinear; antialiased, or shrinking would add noise."""
    size = (INPUT_SIZE, INPUT_SIZE)
    if images.shape[-2:] == size:
        return images
    return F.interpolate(images, size=size, mode="bilinear", align_corners=False, antialias=True)
