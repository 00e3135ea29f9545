"""The trained part of the discriminator: one small convolutional head for each projected map.

Shape legend: B pictures; C channels; H x W positions. Every head halves its map until a map of
nominal side 8 is left, then turns it into logits with one 4x4 convolution. For a 256 px picture
at projection level 2:

    head   map                    down blocks (channels)         last map            logits
    0      (B,  64, 128, 128)     64 -> 64 -> 128 -> 256 -> 512  (B, 512, 8, 8)  ->  (B, 1, 5, 5)
    1      (B,  64,  64,  64)     64 -> 128 -> 256 -> 512        (B, 512, 8, 8)  ->  (B, 1, 5, 5)
    2      (B, 128,  32,  32)     128 -> 256 -> 512              (B, 512, 8, 8)  ->  (B, 1, 5, 5)
    3      (B, 256,  16,  16)     256 -> 512                     (B, 512, 8, 8)  ->  (B, 1, 5, 5)

Heads are laid out for 256 px pictures at every resolution ("nominal" sizes), so the logit maps
grow with the picture: 4x4 at 224 px, 5x5 at 256, 13x13 at 512.

A conditional head ends in 64 channels instead of one; the label of each picture says along which
direction of these its logits are read (`discriminators/class_vectors.py`).

Source: Projected GANs (Sauer et al., 2021), multi-scale discriminators; layers as in the official
code.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Literal

import torch
from torch import Tensor, nn

from projgan.discriminators.class_vectors import DIM, ClassVectors
from projgan.errors import UsageError, choose_from
from projgan.layers.labels import require_labels
from projgan.layers.spectral_norm import SpectralNormConv2d

if TYPE_CHECKING:
    from typing_extensions import Self

HeadKind = Literal["plain", "separable"]
HEAD_KINDS = ("plain", "separable")
LAST_SIZE = 8
LAST_KERNEL = 4
WIDTHS = {8: 512, 16: 256, 32: 128, 64: 64, 128: 64}
"""Channels of a head's map by its nominal side."""


class Head(nn.Module):
    """One map in, one map of raw logits out.

    Args:
        in_channels: channels of the map.
        nominal_size: its side for a 256 px picture: a power of two from 8 to 128.
        kind: "plain" 4x4 convolutions, or "separable" ones with a fifteenth of the parameters.
        num_classes: classes that labels choose between; 0: it takes none.

    Raises: UsageError for an unknown kind.
    """

    # Deviation: in the reference a conditional head has 1000 classes whatever the set has.

    def __init__(
        self,
        in_channels: int,
        nominal_size: int,
        *,
        kind: HeadKind = "plain",
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        if kind not in HEAD_KINDS:
            raise choose_from("kind of heads", kind, HEAD_KINDS)
        assert nominal_size in WIDTHS, f"nominal size {nominal_size} is not one of {sorted(WIDTHS)}"
        down = _down_plain if kind == "plain" else _down_separable
        self.down = nn.Sequential()
        size, channels = nominal_size, in_channels
        while size > LAST_SIZE:
            size //= 2
            self.down.append(down(channels, WIDTHS[size]))
            channels = WIDTHS[size]
        self.num_classes = num_classes
        self.logits = SpectralNormConv2d(channels, DIM if num_classes else 1, LAST_KERNEL)
        self.classes = ClassVectors(num_classes) if num_classes else None

    def forward(self, x: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, in_channels, H, W) -> (B, 1, h, w) raw logits, h = H * 8 / nominal_size - 3.

        c: (B,) class indices in [0, num_classes), if it has classes.
        """
        require_labels(c, num_classes=self.num_classes, batch=len(x))
        logits: Tensor = self.logits(self.down(x))
        if c is not None and self.classes is not None:
            logits = self.classes(logits, c)
        return logits


class Heads(nn.Module):
    """A head for each of the first `count` maps; their logits side by side.

    Args:
        channels: channels of the maps, finest first.
        nominal_sizes: sides of the maps for a 256 px picture.
        kind: of every head, see `Head`.
        count: maps judged, finest first.
        num_classes: of every head, see `Head`.
    """

    def __init__(
        self,
        channels: Sequence[int],
        nominal_sizes: Sequence[int],
        *,
        kind: HeadKind = "plain",
        count: int = 4,
        num_classes: int = 0,
    ) -> None:
        super().__init__()
        assert 1 <= count <= len(channels), f"{count} heads do not fit {len(channels)} maps"
        pairs = list(zip(channels, nominal_sizes, strict=True))[:count]
        self.scales = nn.ModuleList(
            Head(width, size, kind=kind, num_classes=num_classes) for width, size in pairs
        )
        self.num_frozen = 0

    def freeze(self, blocks: int) -> None:
        """Let the first `blocks` down blocks of every head keep their weights.

        A head that has fewer keeps all of them; its convolution to logits always learns. Batch
        statistics and spectral-norm vectors go on following.

        Raises: UsageError: no head has so many.
        Source: Freeze the Discriminator (Mo, Cho, Shin, 2020), early blocks frozen.
        """
        deepest = max(len(down) for down in self._downs())
        if blocks > deepest:
            raise UsageError(
                f"{blocks} blocks of the heads cannot be frozen: the deepest head has {deepest}",
                where="setting training.freeze_heads",
            )
        self.num_frozen = blocks
        for down in self._downs():
            down[:blocks].requires_grad_(False)

    def trainable_parameters(self) -> list[nn.Parameter]:
        """All parameters but the frozen ones."""
        frozen = {id(p) for down in self._downs() for p in down[: self.num_frozen].parameters()}
        return [parameter for parameter in self.parameters() if id(parameter) not in frozen]

    def _downs(self) -> list[nn.Sequential]:
        return [head.down for head in self.scales if isinstance(head, Head)]

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch gradients on or off; frozen blocks never ask for any."""
        for parameter in self.trainable_parameters():
            parameter.requires_grad_(requires_grad)
        return self

    def forward(self, maps: Sequence[Tensor], c: Tensor | None = None) -> Tensor:
        """Maps (B, C_l, H_l, W_l), finest first -> (B, M) raw logits, the finest map's first.

        c: (B,) class indices, if the heads have classes.
        In training mode every call also moves BatchNorm statistics and spectral-norm vectors.
        """
        assert len(maps) >= len(self.scales), f"{len(maps)} maps for {len(self.scales)} heads"
        # Maps beyond the last head are left unread.
        logits = [head(x, c).flatten(1) for head, x in zip(self.scales, maps, strict=False)]
        return torch.cat(logits, dim=1)


def _down_plain(channels: int, out_channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, C', H / 2, W / 2)."""
    return nn.Sequential(
        # The bias is without effect before a BatchNorm in training, but the official heads have it.
        SpectralNormConv2d(channels, out_channels, 4, stride=2, padding=1, bias=True),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
    )


def _down_separable(channels: int, out_channels: int) -> nn.Sequential:
    """(B, C, H, W) -> (B, C', H / 2, W / 2): a filter a channel, then mixing, then halving."""
    return nn.Sequential(
        SpectralNormConv2d(channels, channels, 3, padding=1, groups=channels),
        SpectralNormConv2d(channels, out_channels, 1),
        nn.BatchNorm2d(out_channels),
        nn.LeakyReLU(0.2, inplace=True),
        nn.AvgPool2d(2),
    )
