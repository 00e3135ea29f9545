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

How many logits: each head gives (height / 32 - 3) * (width / 32 - 3), those of the resized picture.
With four heads that makes M = 64 at 224 px, 100 at 256, 676 at 512, and 128 at 352x224.

Several feature networks at once are several such discriminators whose logits lie side by side:
each has a resize, a projection and heads of its own. `project` then gives the maps of the first,
the second ..., and `heads` judges them all.

Source: Projected GANs (Sauer et al., 2021); several networks: their follow-up.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from torch import Tensor, nn

from projgan.discriminators.base import Discriminator
from projgan.discriminators.heads import HeadKind, Heads
from projgan.errors import UsageError
from projgan.features.backbones import FeatureNetwork
from projgan.features.catalogue import split_names
from projgan.features.frozen import FrozenModule
from projgan.features.projector import NUM_MAPS, Projector
from projgan.features.weight_files import DEFAULT
from projgan.rng import derive_seed

if TYPE_CHECKING:
    from typing_extensions import Self

Value = TypeVar("Value")


class View(FrozenModule):
    """One frozen way of looking: a feature network, and a random projection of what it sees."""

    def __init__(self, features: FeatureNetwork, projector: Projector) -> None:
        super().__init__()
        self.features = features
        self.projector = projector
        self._freeze()


class ProjectedDiscriminator(Discriminator):
    """Frozen features, frozen random projection, trained heads: pictures in, raw logits out.

    `train()` and `requires_grad_()` act on the heads alone.

    Args:
        features: a known feature network (`features.backbones.FEATURE_NETWORKS`), or what timm
            calls a model; several ("lite0,resnet18", or a list) look side by side.
        pretrained: pretrained weights for them; False is for tests.
        weights: a .safetensors file for each network, or "default" for one whose weights lie
            where they usually do; empty: for all of them.
        input_size: side in pixels to which pictures are resized, for all networks or one each;
            None: as they are, but for networks that see one size only. Of pictures that are not
            square it is the shorter side. The official code enlarges pictures below 224 px to 224
            and leaves larger ones.
        level: of the projection: 0 raw maps, 1 mixed across channels, 2 also across scales.
        channels: channels of the projection's finest map.
        expand: twice the channels at every coarser map.
        num_heads: maps of each network judged, finest first, 1 to 4.
        kind: "plain" or "separable" heads.
        num_classes: classes of the pictures, for a conditional GAN; every call then takes a label
            for each picture. 0: it takes none.
        seed: of the projection. Heads start from torch's global random stream, like any module.
        augment: applied to the pictures in `forward`, drawn anew in every call. None, the
            default, where the training step augments.

    Attributes:
        features, projector: of the first network.
        others: those of further networks, as `View`s.

    Raises:
        UsageError: unknown name, a network that cannot give four maps, a size it cannot have.
        ResourceError: the weights are not on this machine.
        CheckpointError: the weights file is damaged, or belongs to another network.
    """

    def __init__(
        self,
        *,
        features: str | Sequence[str] = "lite0",
        pretrained: bool = True,
        weights: str | Path | Sequence[str | Path] = (),
        input_size: int | Sequence[int | None] | None = None,
        level: int = 2,
        channels: int = 64,
        expand: bool = True,
        num_heads: int = 4,
        kind: HeadKind = "plain",
        num_classes: int = 0,
        seed: int = 0,
        augment: Callable[[Tensor], Tensor] | None = None,
    ) -> None:
        super().__init__()
        names = split_names(features) if isinstance(features, str) else tuple(features)
        if input_size is None or isinstance(input_size, int):
            input_size = [input_size] * len(names)
        if isinstance(weights, (str, Path)):
            weights = [weights]
        sizes = _one_each(input_size, names, "input sizes")
        files = _one_each(weights or [DEFAULT] * len(names), names, "weights files")
        assert 1 <= num_heads <= NUM_MAPS, f"{num_heads} heads do not fit {NUM_MAPS} maps"
        self.augment = augment
        self.num_heads = num_heads
        views = []
        for place, (name, size, file) in enumerate(zip(names, sizes, files, strict=True)):
            # The first has the run's own seed, so that a run with one network is what it was.
            own_seed = derive_seed(seed, f"view {name}", place) if place else seed
            network = FeatureNetwork(
                name, pretrained=pretrained, weights=file, input_size=size, seed=own_seed
            )
            projector = Projector(
                network.channels,
                out_channels=channels,
                expand=expand,
                level=level,
                seed=own_seed,
            )
            views.append(View(network, projector))
        self.features, self.projector = views[0].features, views[0].projector
        self.others = nn.ModuleList(views[1:])
        projectors = [view.projector for view in views]
        self.heads = Heads(
            [width for one in projectors for width in one.out_channels[:num_heads]],
            [size for one in projectors for size in one.nominal_sizes[:num_heads]],
            kind=kind,
            count=num_heads * len(views),
            num_classes=num_classes,
        )

    def forward(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, M) raw logits: above 0 means "looks real".

        c: (B,) class indices in [0, num_classes), if it has classes: "looks real for its class".
        Raises: UsageError for pictures that the network cannot judge; see `project`.
        """
        if self.augment is not None:
            images = self.augment(images)
        return self.verdict(self.project(images), c)

    def project(self, images: Tensor) -> list[Tensor]:
        """The frozen half: (B, 3, H, W) in [-1, 1] -> the maps that the heads judge.

        They lie network after network, for each the finest first.

        Raises:
            UsageError: the pictures are not (B, 3, H, W), or their sides (after the resize to
                `input_size`, if there is one) are below 128 px or no multiples of 32.
        """
        if images.dim() != 4 or images.shape[1] != 3:
            raise UsageError(f"expected pictures of shape (B, 3, H, W), got {tuple(images.shape)}")
        maps: list[Tensor] = []
        for features, projector in self._views():
            _check_size(images, features)
            maps += projector(features(images))[: self.num_heads]
        return maps

    def look(self, images: Tensor) -> list[Tensor]:
        """The maps of `project`."""
        return self.project(images)

    def verdict(self, seen: list[Tensor], c: Tensor | None = None) -> Tensor:
        """The heads' logits on these maps: (B, M)."""
        logits: Tensor = self.heads(seen, c)
        return logits

    def parts(self) -> list[nn.Module]:
        """Feature networks, projections and heads."""
        return [*(part for view in self._views() for part in view), self.heads]

    def logits_by_head(self, logits: Tensor) -> Sequence[Tensor]:
        """The logits (B, M) of each head, the finest map's first.

        Several networks that see several sizes have heads with several numbers of logits; those
        count as one.
        """
        sizes = {features.input_size for features, _ in self._views()}
        return logits.chunk(len(self.heads.scales), dim=1) if len(sizes) == 1 else (logits,)

    @property
    def learner(self) -> Heads:
        """The heads."""
        return self.heads

    def trainable_parameters(self) -> Iterator[nn.Parameter]:
        """What the optimiser gets: the parameters of the heads, nothing frozen."""
        return iter(self.heads.trainable_parameters())

    def segments(self) -> list[nn.Module]:
        """What is frozen, which holds more than the heads: networks and projections."""
        return [
            part
            for features, projector in self._views()
            for part in (*features.segments(), projector)
        ]

    def requires_grad_(self, requires_grad: bool = True) -> Self:
        """Switch gradients of the heads on or off; the frozen parts never ask for any."""
        self.heads.requires_grad_(requires_grad)
        return self

    def _views(self) -> Iterator[tuple[FeatureNetwork, Projector]]:
        yield self.features, self.projector
        for view in self.others:
            assert isinstance(view, View), "others hold views"
            yield view.features, view.projector


def _one_each(values: Sequence[Value], names: Sequence[str], what: str) -> Sequence[Value]:
    """The values, of which there must be one for each network."""
    if len(values) != len(names):
        raise UsageError(
            f"{len(values)} {what} for {len(names)} feature networks",
            where=f"features {','.join(names)}",
        )
    return values


def _check_size(images: Tensor, features: FeatureNetwork) -> None:
    """Raise `UsageError` for pictures that this network, or the heads behind it, cannot take."""
    plan = features.blueprint
    height, width = features.seen_size(*images.shape[-2:])
    if min(height, width) < plan.smallest:
        problem = f"too small for the heads: at least {plan.smallest} px"
    elif height % plan.step or width % plan.step:
        problem = f"not divisible into steps of {plan.step} px"
    else:
        return
    raise UsageError(
        f"pictures of {width}x{height} px are {problem}",
        where="input of the feature network (features.input_size)",
        next_command="ProjectedDiscriminator(input_size=224), or --set features.input_size=224",
    )
