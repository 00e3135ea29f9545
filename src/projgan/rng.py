"""Named random streams: a seed, a name and a position give the numbers, and nothing else does.

No stream carries state from one step to the next, so a resumed run needs no saved generator and no
replay: step 1,000 draws the same latents whether the run was stopped before it or not. Adding a
draw to one stream never shifts another.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def derive_seed(seed: int, name: str, *position: int) -> int:
    """A 63-bit seed for the stream `name` at `position`, such as a step and a micro-batch."""
    text = f"{seed}/{name}/" + "/".join(str(p) for p in position)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def torch_stream(
    seed: int, name: str, *position: int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """A fresh torch generator for one stream at one position.

    On the CPU for devices that have no generators (XLA); `uniform` and `integers` take either.
    """
    if torch.device(device).type not in ("cpu", "cuda", "mps"):
        device = "cpu"
    return torch.Generator(device=device).manual_seed(derive_seed(seed, name, *position))


def uniform(shape: Sequence[int], generator: torch.Generator | None, images: Tensor) -> Tensor:
    """float32 numbers in [0, 1) on the device of the images, drawn where the generator is.

    float32, so that every precision draws the same. None: torch's global generator.
    """
    place = images.device if generator is None else generator.device
    return torch.rand(*shape, generator=generator, device=place).to(images.device)


def integers(
    low: int, high: int, shape: Sequence[int], generator: torch.Generator | None, images: Tensor
) -> Tensor:
    """Whole numbers in [low, high], both ends included; otherwise as `uniform`."""
    place = images.device if generator is None else generator.device
    drawn = torch.randint(low, high + 1, tuple(shape), generator=generator, device=place)
    return drawn.to(images.device)


def numpy_stream(seed: int, name: str, *position: int) -> np.random.Generator:
    """A fresh numpy generator (counter-based Philox) for one stream at one position."""
    return np.random.Generator(np.random.Philox(key=derive_seed(seed, name, *position)))
