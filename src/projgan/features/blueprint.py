"""What there is to know about a network before it has weights: where it is cut, what it expects.

Two kinds of network can give four maps:

    pyramid   its own stages have strides 4, 8, 16 and 32 (EfficientNet, ResNet, RegNet, ConvNeXt,
              MobileNet, Swin ...): the last stage of each stride is tapped.
    tokens    one stride throughout, the patch (ViT, DeiT, DINO): four blocks are tapped, a
              quarter of the depth apart, and `features.tokens` turns them into four maps.

Source: the follow-up of Projected GANs (Sauer et al., 2021), which compares these families; the
blocks 2, 5, 8 and 11 of 12 (5, 11, 17 and 23 of 24) are its taps.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from projgan.errors import UsageError
from projgan.features.catalogue import ALWAYS, CATALOGUE, entry_of
from projgan.features.tokens import widths_of

STRIDES = (4, 8, 16, 32)


@dataclass(frozen=True, kw_only=True)
class Blueprint:
    """A network without its weights.

    Attributes:
        name: as the user calls it.
        timm_name: architecture and weights, as timm calls them.
        taps: timm's numbers of the stages, or blocks, whose outputs are taken.
        depth: how many of those there are.
        channels: of the four maps, finest first.
        strides: pixels of the picture for one step in each map.
        patch: side of a transformer's patch in pixels; 0 for a pyramid.
        width: channels of a transformer's tokens; 0 for a pyramid.
        mean, std: of the pictures that it was trained on, a channel, in [0, 1].
        native_size: side of those pictures in pixels.
        size: side at which it always sees pictures unless another is asked for; None: any.
        step: sides must be multiples of this.
        licence: of the weights, as timm states it; empty if it does not.
        repository: where the weights lie on the Hugging Face hub; empty if nowhere.
    """

    name: str
    timm_name: str
    taps: tuple[int, ...]
    depth: int
    channels: tuple[int, ...]
    strides: tuple[float, ...]
    patch: int
    width: int
    mean: tuple[float, ...]
    std: tuple[float, ...]
    native_size: int
    size: int | None
    step: int
    licence: str
    repository: str

    @property
    def is_tokens(self) -> bool:
        """Whether it is a transformer of one stride."""
        return self.patch > 0

    @property
    def indices(self) -> list[int]:
        """The taps as timm wants them: from the end, where some versions count the stem as well."""
        is_last = self.taps[-1] == self.depth - 1
        return [tap - self.depth if is_last else tap for tap in self.taps]

    @property
    def smallest(self) -> int:
        """Side of the smallest picture for which the heads have enough to look at."""
        return int(32 * self.strides[0])


def draw_blueprint(name: str, network: Any) -> Blueprint:
    """What a network can give and what it expects.

    Args:
        network: what `features.cutting.create` makes of the name.
    Raises: UsageError: it cannot give four maps.
    """
    about = network.pretrained_cfg
    stages = [(int(s["num_chs"]), s["reduction"]) for s in getattr(network, "feature_info", [])]
    reductions = [reduction for _, reduction in stages]
    entry = entry_of(name)
    if not hasattr(network, "forward_intermediates"):
        raise _cannot(
            name, "this version of timm cannot take its inner maps", "pip install -U timm"
        )
    patch = width = 0
    if set(STRIDES) <= set(reductions):
        taps = tuple(_last(reductions, stride) for stride in STRIDES)
        channels = tuple(stages[tap][0] for tap in taps)
        strides: tuple[float, ...] = STRIDES
        step = STRIDES[-1]
    elif _is_transformer(network, reductions):
        width, patch = stages[-1]
        taps = tuple(len(stages) * number // 4 - 1 for number in range(1, 5))
        channels = widths_of(width)
        strides = tuple(patch * factor for factor in (0.25, 0.5, 1, 2))
        step = 2 * patch
    else:
        known = ", ".join(str(r) for r in sorted(set(reductions))) or "none that timm tells of"
        raise _cannot(name, f"its maps have strides {known}; needed: 4, 8, 16 and 32")
    native = int(about["input_size"][-1])
    fixed = native if about.get("fixed_input_size") else None
    size = entry.size if name in CATALOGUE else nearest_size(ALWAYS, step) if patch else fixed
    return Blueprint(
        name=name,
        timm_name=entry.timm_name,
        taps=taps,
        depth=len(stages),
        channels=channels,
        strides=strides,
        patch=patch,
        width=width,
        mean=tuple(about["mean"]),
        std=tuple(about["std"]),
        native_size=native,
        size=size,
        step=step,
        licence=str(about.get("license") or ""),
        repository=str(about.get("hf_hub_id") or ""),
    )


def nearest_size(size: int, step: int) -> int:
    """The multiple of `step` nearest to `size`; the larger one of two."""
    return max(step, (size + step // 2) // step * step)


def _last(values: list[int], value: int) -> int:
    return len(values) - 1 - values[::-1].index(value)


def _is_transformer(network: Any, reductions: list[int]) -> bool:
    blocks = getattr(network, "blocks", ())
    is_even = len(set(reductions)) == 1 and len(reductions) == len(blocks) >= 4
    return is_even and hasattr(network, "patch_embed")


def _cannot(name: str, why: str, next_command: str = "projgan features") -> UsageError:
    return UsageError(
        f"{name} cannot be a feature network: {why}",
        where="setting features.name",
        next_command=next_command,
    )
