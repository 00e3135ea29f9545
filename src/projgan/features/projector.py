"""The random projection: stirs the backbone's maps across channels and scales. Never trained.

Why it exists. A discriminator that looks at raw pretrained maps uses only the few channels that
tell real from fake most easily, and the generator learns from those alone. Mixing every map with
fixed random weights spreads what the backbone knows over all channels, so that no part of it can
be ignored. The mixing is linear and random: it selects nothing, it only stirs.

Shape legend: B pictures; C channels; H x W positions of a map. l = 0 is the finest map, l = 3 the
coarsest. Sizes below are for a 256 px picture and lite0, `out_channels` 64, `expand` on.

Step 1, cross-channel mixing (CCM): one random 1x1 convolution a map.

    l   backbone              CCM
    0   (B,  24, 64, 64)  ->  (B,  64, 64, 64)
    1   (B,  40, 32, 32)  ->  (B, 128, 32, 32)
    2   (B, 112, 16, 16)  ->  (B, 256, 16, 16)
    3   (B, 320,  8,  8)  ->  (B, 512,  8,  8)

Step 2, cross-scale mixing (CSM), from coarse to fine: add what came from below, enlarge twice,
mix with another random 1x1 convolution. Each finer output therefore holds all coarser maps as
well. (up: bilinear, corners kept in place.)

    m3 = mix3(up(c3))                 (B, 256,  16,  16)
    m2 = mix2(up(c2 + m3))            (B, 128,  32,  32)
    m1 = mix1(up(c1 + m2))            (B,  64,  64,  64)
    m0 = mix0(up(c0 + m1))            (B,  64, 128, 128)

mix3, mix2 and mix1 halve the channels, so that their output fits the next finer map; mix0 keeps
them.

Levels: 0 hands the backbone's maps on, 1 stops after CCM, 2 does both.

Source: Projected GANs (Sauer et al., 2021), random projections: CCM and CSM.
Deviation: the paper describes 3x3 convolutions in CSM; like the official code we use 1x1.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.features.frozen import FrozenModule
from projgan.features.random_weights import draw_default
from projgan.rng import torch_stream

NUM_MAPS = 4
LEVELS = (0, 1, 2)


class Projector(FrozenModule):
    """Four maps in, four randomly mixed maps out. Frozen; the same seed gives the same projection.

    A projection belongs to its discriminator: heads trained on one draw know nothing about another.

    Args:
        channels: channels of the backbone's four maps, finest first.
        out_channels: channels of the finest CCM map.
        expand: twice the channels at every coarser CCM map; otherwise `out_channels` everywhere.
        level: 0 raw maps, 1 CCM, 2 CCM and CSM.
        seed: of the random weights. They never touch torch's global random stream.

    Attributes:
        out_channels: channels of the four outputs, finest first.
        nominal_sizes: sides of the four outputs for a 256 px picture, as the heads expect them.
    """

    def __init__(
        self,
        channels: Sequence[int],
        *,
        out_channels: int = 64,
        expand: bool = True,
        level: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__()
        assert len(channels) == NUM_MAPS, f"there are {NUM_MAPS} maps to mix, not {len(channels)}"
        assert level in LEVELS, f"level {level} is not one of {LEVELS}"
        self.level = level
        self.nominal_sizes: tuple[int, ...] = (128, 64, 32, 16) if level == 2 else (64, 32, 16, 8)
        self.out_channels: tuple[int, ...] = tuple(channels)
        self.ccm = nn.ModuleList()
        self.csm = nn.ModuleList()

        stream = torch_stream(seed, "projector")
        if level >= 1:
            factors = (1, 2, 4, 8) if expand else (1, 1, 1, 1)
            mixed = tuple(out_channels * factor for factor in factors)
            self.ccm.extend(_random_mix(a, b, stream) for a, b in zip(channels, mixed, strict=True))
            self.out_channels = mixed
        if level >= 2:
            # A coarser map must arrive with the channels of the finer one that it is added to.
            finer = (mixed[0], *mixed[:-1])
            self.csm.extend(_random_mix(a, b, stream) for a, b in zip(mixed, finer, strict=True))
            self.out_channels = finer
        self._freeze()

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        """Four maps (B, C_l, H_l, W_l), finest first -> four mixed maps.

        The outputs have `out_channels` channels; at level 2 they are twice as high and wide as
        the inputs. There, each map must be exactly half as high and wide as the next finer one
        (pictures whose sides are multiples of 32 give such maps).
        """
        if self.level == 0:
            return list(maps)
        mixed = [mix(x) for mix, x in zip(self.ccm, maps, strict=True)]
        if self.level == 1:
            return mixed
        return self._mix_scales(mixed)

    def _mix_scales(self, maps: list[Tensor]) -> list[Tensor]:
        below: Tensor | None = None
        for scale in reversed(range(NUM_MAPS)):
            x = maps[scale] if below is None else maps[scale] + below
            # The definition enlarges first. A 1x1 convolution treats every position alike, and
            # bilinear weights add up to 1, so the two commute: same numbers, a quarter of the
            # positions to mix.
            below = maps[scale] = _enlarge(self.csm[scale](x))
        return maps


def _enlarge(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (B, C, 2H, 2W), bilinear, corners kept in place as in the official code."""
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)


def _random_mix(channels: int, out_channels: int, stream: torch.Generator) -> nn.Conv2d:
    """A 1x1 convolution with PyTorch's default distribution, drawn from `stream`."""
    mix = nn.Conv2d(channels, out_channels, 1, device="meta").to_empty(device="cpu")
    draw_default(mix, stream)
    return mix
