"""The frozen feature network: a picture in, four maps out, finest first.

Shape legend: B pictures, C channels, H x W pixels. For a 256 px picture and lite0 or lite1:

    images  (B,   3, 256, 256)   in [-1, 1]
    map 0   (B,  24,  64,  64)   stride 4    stem and stages 0, 1
    map 1   (B,  40,  32,  32)   stride 8    stage 2
    map 2   (B, 112,  16,  16)   stride 16   stages 3, 4
    map 3   (B, 320,   8,   8)   stride 32   stages 5, 6

The way of a picture: resize (if asked for), the network's own normalisation, its stages up to the
last tap, and for transformers the convolutions that make four maps of tokens. The classifier, and
everything else behind the last tap, is not kept.

Source: Projected GANs (Sauer et al., 2021), the pretrained feature network. The paper names
Lite1; the official code uses Lite0, in a state of its own that is here called lite0-reference
(`_shift_statistics`).
"""

from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.errors import CheckpointError, UsageError, first_line
from projgan.features.blueprint import Blueprint, draw_blueprint, nearest_size
from projgan.features.catalogue import CATALOGUE
from projgan.features.cutting import blocks_in_rows, create, cut, take
from projgan.features.folding import fold_batch_norms
from projgan.features.frozen import FrozenModule
from projgan.features.normalise import Normalise
from projgan.features.striding import densify_strided_depthwise
from projgan.features.tokens import TokenMaps
from projgan.features.weight_files import DEFAULT, RANDOM, find_source
from projgan.features.weights import load_lite_state_dict
from projgan.rng import torch_stream

FEATURE_NETWORKS: tuple[str, ...] = tuple(CATALOGUE)
"""The feature networks known by a short name. Any other network of timm may be named as well."""

_PROBE, _SMALL_PROBE = 128, 64
"""Sides of the pictures by which a network is tried out: the smallest allowed one, and a quicker
one."""


class FeatureNetwork(FrozenModule):
    """A frozen pretrained network cut into four stages.

    Always in evaluation mode and without gradients of its own; gradients flow through it to the
    pictures.

    Args:
        name: one of FEATURE_NETWORKS, or what timm calls a model.
        pretrained: with its weights. False: random weights, always the same ones (for tests).
        weights: a .safetensors file with the weights; DEFAULT: where they usually lie.
        input_size: side in pixels to which pictures are resized first, the shorter side of those
            that are not square; None: as they are, but for networks that see one size only.
        seed: of the convolutions that make maps of a transformer's tokens.
        folded: compute the same faster: batch norms folded into convolutions, strided depthwise
            ones written otherwise. False: layer by layer, as timm builds it, to compare with.

    Attributes:
        channels: channels of the four maps.
        strides: pixels of the picture for one step in the map: (4, 8, 16, 32), or by the patch.
        source: where the weights came from.
        blueprint: everything else about it.

    Raises:
        UsageError: unknown name, a network that cannot give four maps, a size it cannot have.
        ResourceError: the weights are not on this machine.
        CheckpointError: the weights file is damaged or belongs to another network.
    """

    channels: tuple[int, ...]
    strides: tuple[float, ...]

    def __init__(
        self,
        name: str = "lite0",
        *,
        pretrained: bool = True,
        weights: str | Path = DEFAULT,
        input_size: int | None = None,
        seed: int = 0,
        folded: bool = True,
    ) -> None:
        super().__init__()
        self.name = name
        self.source = find_source(name, weights) if pretrained else RANDOM
        whole = create(name)
        self.blueprint = plan = draw_blueprint(name, whole)
        self.input_size = _settle_size(plan, input_size)
        self.channels, self.strides = plan.channels, plan.strides
        self.normalise = Normalise(plan.mean, plan.std)
        self.network = cut(whole, plan, self.source, size=self.input_size)
        self.tokens = (
            TokenMaps(plan.width, torch_stream(seed, f"tokens {name}")) if plan.is_tokens else None
        )
        self._freeze()
        if name == "lite0-reference":
            _shift_statistics(self.network, plan)
        self._require_fit()
        if folded:
            self._fold()

    def forward(self, images: Tensor) -> list[Tensor]:
        """(B, 3, H, W) in [-1, 1] -> four maps (B, C, H / stride, W / stride), finest first."""
        images = self.normalise(self.resize(images))
        taken = take(self.network, images, self.blueprint)
        return taken if self.tokens is None else self.tokens(taken)

    def segments(self) -> list[nn.Module]:
        """The network's blocks, which hold most of its maps; the whole of it if it names none.

        A block is what stands in a row of modules and has modules of its own.
        """
        return blocks_in_rows(self.network) or [self]

    def resize(self, images: Tensor) -> Tensor:
        """The pictures at the size in which they are seen; bilinear.

        Half-pixel centres, no antialias: the reference's resize. It only ever enlarges there, 64
        and 128 px pictures to 224.
        """
        size = self.seen_size(*images.shape[-2:])
        if images.shape[-2:] == size:
            return images
        return F.interpolate(images, size=size, mode="bilinear", align_corners=False)

    def seen_size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width at which pictures of these sides are seen.

        The shorter side becomes `input_size`, and the longer one keeps the ratio, rounded to the
        network's steps. Networks of one size see a square of it: others are squashed.
        """
        side, plan = self.input_size, self.blueprint
        if side is None:
            return height, width
        if height == width or plan.size is not None:
            return side, side
        shorter, longer = sorted((height, width))
        long_side = nearest_size(longer * side // shorter, plan.step)
        return (side, long_side) if height < width else (long_side, side)

    @torch.no_grad()
    def _require_fit(self) -> None:
        """Raise unless one picture of noise gives the maps that are expected."""
        size = self.input_size or _PROBE
        probe = _probe(size)
        try:
            maps = self(probe)
        except (RuntimeError, AssertionError, ValueError) as error:
            raise _unfit(self.name, size, first_line(error)) from error
        sides, expected = [m.shape[-1] for m in maps], [int(size / s) for s in self.strides]
        if sides != expected or tuple(m.shape[1] for m in maps) != self.channels:
            raise _unfit(self.name, size, f"its maps have sides {sides} instead of {expected}")
        if not all(bool(torch.isfinite(m).all()) for m in maps):
            raise CheckpointError(
                f"with these weights {self.name} gives numbers that are not finite",
                where=str(self.source.path or "random weights"),
            )

    @torch.no_grad()
    def _fold(self) -> None:
        """Fold batch norms, found with one picture of noise, and rewrite strided convolutions."""
        exact = self.normalise(_probe(self.input_size or _SMALL_PROBE).double())
        fold_batch_norms(self.network, lambda: take(self.network, exact, self.blueprint))
        densify_strided_depthwise(self.network)


def build_classifier_trunk(name: str) -> nn.Module:
    """The pretrained network up to its pooled features: (B, 3, H, W) in [-1, 1] -> (B, 1280).

    Frozen, like the stages.

    Args:
        name: a key of LITE_WEIGHTS.

    Raises: as `load_lite_state_dict`.
    """
    state = load_lite_state_dict(name)
    network = create(name)
    network.load_state_dict(state)
    network.reset_classifier(0)
    trunk: nn.Module = network.eval().requires_grad_(False)
    fold_batch_norms(trunk, lambda: [trunk(_probe(_SMALL_PROBE).double())])
    return trunk


def _probe(size: int) -> Tensor:
    """(1, 3, size, size): a picture of noise."""
    stream = torch_stream(0, "probe of the feature network")
    return torch.rand(1, 3, size, size, generator=stream, device="cpu") * 2 - 1


def _settle_size(plan: Blueprint, size: int | None) -> int | None:
    """The side at which the network sees pictures; None: as they come."""
    if size is None or size == plan.size:
        return plan.size
    if plan.is_tokens and size % plan.step == 0 and size >= plan.smallest:
        return size
    if plan.size is None:
        return size  # what it cannot take is refused when it sees the pictures
    sizes = (
        f"multiples of {plan.step} px, from {plan.smallest} px" if plan.is_tokens else "no other"
    )
    raise UsageError(
        f"{plan.name} sees pictures of {plan.size} px (possible: {sizes}), not of {size} px",
        where="setting features.input_size",
        next_command="--set features.input_size=reference    (the size that each network is for)",
    )


def _unfit(name: str, size: int, why: str) -> UsageError:
    return UsageError(
        f"{name} cannot be a feature network at {size} px: {why}",
        where="setting features.name",
        next_command="projgan features",
    )


@torch.no_grad()
def _shift_statistics(network: nn.Module, plan: Blueprint) -> None:
    """Move the BatchNorm statistics to where the official code leaves them.

    The official numbers are those of a backbone that has seen one all-zero (mid-grey) 224 px
    picture in training mode: every running mean and variance has moved a tenth of the way to the
    statistics of that one flat picture, as a probe for the maps' shapes would leave them. On
    noise the maps differ by up to 40 % of their range from the ImageNet network's. With the shift
    the parity files agree to 3e-6; without it they do not agree at all.

    Deviation: "lite0" and "lite1" keep the statistics that the network was trained with. For the
    official numbers ask for "lite0-reference".
    """
    network.train()
    take(network, torch.zeros(1, 3, 224, 224, device="cpu"), plan)
    network.eval()
