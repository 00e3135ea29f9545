"""Noise injection: a learned amount of per-pixel noise, and how films keep it still.

Source: StyleGAN's noise inputs, as used in the StyleGAN2 and the full (not the lite) FastGAN
generators of Projected GANs (Sauer et al., 2021).
"""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

from projgan.errors import choose_from
from projgan.rng import torch_stream

NoiseMode = Literal["random", "const", "none"]
NOISE_MODES: tuple[NoiseMode, ...] = ("random", "const", "none")


class NoiseInjection(nn.Module):
    """Add weight * noise, with one learned scalar `weight` that starts at 0.

    A sample gets one noise map (H, W), shared by its channels. `mode`:

    - "random": fresh N(0, 1) noise from torch's global random state, in evaluation too.
    - "const": one fixed map, the same for every sample and call: frames of a film do not flicker.
    - "none": nothing is added.

    Args:
        resolution: H and W, one number if they are equal; the size of the fixed map.
        layer: tells layers of one resolution apart, so that each has its own fixed map.
        stored: whether the fixed map is part of the state dict. It is the same for every instance
            without that; generators whose published weights bring their own maps store it.
    """

    fixed_noise: Tensor

    def __init__(
        self, resolution: int | tuple[int, int], *, layer: int = 0, stored: bool = False
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))
        self.mode: NoiseMode = "random"
        # Drawn from its own stream, so it needs no place in a checkpoint and moves no other draw.
        height, width = (resolution,) * 2 if isinstance(resolution, int) else resolution
        place = (height,) if height == width else (height, width)
        stream = torch_stream(0, "fixed noise", *place, layer)
        noise = torch.randn((1, 1, height, width), generator=stream, device="cpu")
        self.register_buffer("fixed_noise", noise, persistent=stored)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape and type."""
        if self.mode == "none":
            return x
        if self.mode == "const":
            noise = self.fixed_noise
        else:
            # float32 whatever x is: the same seed gives the same noise under autocast.
            noise = torch.randn((x.shape[0], 1, *x.shape[2:]), device=x.device)
        return x + (self.weight * noise).to(x.dtype)


def has_noise(module: nn.Module) -> bool:
    """Whether there is a noise layer inside `module`."""
    return any(isinstance(layer, NoiseInjection) for layer in module.modules())


def set_noise_mode(module: nn.Module, mode: str) -> None:
    """Set the mode of every noise layer inside `module` (none is fine: then nothing happens).

    Raises: UsageError: for an unknown mode.
    """
    if mode not in NOISE_MODES:
        raise choose_from("noise mode", mode, NOISE_MODES)
    for layer in module.modules():
        if isinstance(layer, NoiseInjection):
            layer.mode = mode
