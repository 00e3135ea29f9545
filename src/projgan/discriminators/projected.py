"""The projected discriminator: judges pictures by what a frozen ImageNet network sees in them.

The way of a batch (B pictures; sizes for 256 px, lite0, level 2):

    images      (B, 3, 256, 256)                                       in [-1, 1]
      |  augment       only if one was given; differentiable
      |  resize        only if `input_size` is given; bilinear
      |  backbone      frozen   features/backbones.py                  4 maps, strides 4 to 32
      |  projector     frozen   features/projector.py                  4 maps, strides 2 to 16
    maps        (B, 64, 128, 128) (B, 64, 64, 64) (B, 128, 32, 32) (B, 256, 16, 16)
      |  heads         trained  discriminators/heads.py                5x5 logits each
    logits      (B, 100)                                               raw: no sigmoid

Only the heads learn. The frozen part still passes gradients back to the pictures, and by that way
the generator learns. In a loop of your own:

    discriminator = ProjectedDiscriminator()
    optimizer = torch.optim.Adam(discriminator.trainable_parameters(), lr=2e-4, betas=(0.0, 0.99))
    logits = discriminator(images)                          # (B, 100) at 256 px

    maps = discriminator.project(images)                    # the same in two steps
    logits = discriminator.heads(maps)

How many logits: each head gives (side / 32 - 3)^2, where `side` is that of the resized picture.
With four heads that makes M = 64 at 224 px, 100 at 256, 676 at 512.

Source: Projected GANs (Sauer et al., 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from torch import Tensor, nn

from projgan.discriminators.heads import HeadKind, Heads
from projgan.errors import UsageError
from projgan.features.backbones import FeatureNetwork
from projgan.features.projector import Projector

if TYPE_CHECKING:
    from typing_extensions import Self

SMALLEST_SIDE = 128
SIDE_STEP = 32


class ProjectedDiscriminator(nn.Module):
    """Frozen features, frozen random projection, trained heads: pictures in, raw logits out.

    `train()` and `requires_grad_()` act on the heads alone.

    Args:
        features: a known feature network (`features.backbones.FEATURE_NETWORKS`).
        pretrained: ImageNet weights for it; False is for tests.
        input_size: side in pixels to which pictures are resized; None: as they are. The official
            code enlarges pictures below 224 px to 224 and leaves larger ones.
        level: of the projection: 0 raw maps, 1 mixed across channels, 2 also across scales.
        channels: channels of the projection's finest map.
        expand: twice the channels at every coarser map.
        num_heads: maps judged, finest first, 1 to 4.
        kind: "plain" or "separable" heads.
        seed: of the projection. Heads start from torch's global random stream, like any module.
        augment: applied to the pictures in `forward`, drawn anew in every call. None, the
            default, where the training step augments.

    Raises:
        UsageError: unknown name.
        ResourceError: the weights are not installed.
        CheckpointError: the weights file is damaged.
    """

    def __init__(
        self,
        *,
        features: str = "lite0",
        pretrained: bool = True,
        input_size: int | None = None,
        level: int = 2,
        channels: int = 64,
        expand: bool = True,
        num_heads: int = 4,
        kind: HeadKind = "plain",
        seed: int = 0,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        self.augment = augment
        self.features = FeatureNetwork(features, pretrained=pretrained, input_size=input_size)
        self.projector = Projector(
            self.features.channels, out_channels=channels, expand=expand, level=level, seed=seed
        )
        self.heads = Heads(
            self.projector.out_channels, self.projector.nominal_sizes, kind=kind, count=num_heads
        )

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, M) raw logits: above 0 means "looks real".

        Raises: UsageError for pictures that the network cannot judge; see `project`.
        """
        if self.augment is not None:
            images = self.augment(images)
        logits: Tensor = self.heads(self.project(images))
        return logits

    def project(self, images: Tensor) -> list[Tensor]:
        """The frozen half: (B, 3, H, W) in [-1, 1] -> the maps that the heads judge, finest first.

        Raises:
            UsageError: the pictures are not (B, 3, H, W), or their sides (after the resize to
                `input_size`, if there is one) are below 128 px or no multiples of 32.
        """
        self._check(images)
        maps: list[Tensor] = self.projector(self.features(images))
        return maps

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """What the optimiser gets: the parameters of the heads, nothing frozen."""
        return self.heads.parameters()

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch gradients of the heads on or off; the frozen parts never ask for any."""
        self.heads.requires_grad_(requires_grad)
        return self

    def _check(self, images: Tensor) -> None:
        if images.dim() != 4 or images.shape[1] != 3:
            raise UsageError(f"expected pictures of shape (B, 3, H, W), got {tuple(images.shape)}")
        size = self.features.input_size
        height, width = (size, size) if size is not None else images.shape[-2:]
        if min(height, width) < SMALLEST_SIDE:
            problem = f"too small for the heads: at least {SMALLEST_SIDE} px"
        elif height % SIDE_STEP or width % SIDE_STEP:
            problem = f"not divisible into steps of {SIDE_STEP} px"
        else:
            return
        raise UsageError(
            f"pictures of {width}x{height} px are {problem}",
            where="input of the feature network (features.input_size)",
            next_command="ProjectedDiscriminator(input_size=224), or --set features.input_size=224",
        )
