"""Named random streams: a seed, a name and a position give the numbers, and nothing else does.

No stream carries state from one step to the next, so a resumed run needs no saved generator and no
replay: step 1,000 draws the same latents whether the run was stopped before it or not. Adding a
draw to one stream never shifts another.
"""

from __future__ import annotations

import hashlib

import numpy as np
import torch


def derive_seed(seed: int, name: str, *position: int) -> int:
    """A 63-bit seed for the stream `name` at `position`, such as a step and a micro-batch."""
    text = f"{seed}/{name}/" + "/".join(str(p) for p in position)
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "little") >> 1


def torch_stream(
    seed: int, name: str, *position: int, device: str | torch.device = "cpu"
) -> torch.Generator:
    """A fresh torch generator for one stream at one position."""
    return torch.Generator(device=device).manual_seed(derive_seed(seed, name, *position))


def numpy_stream(seed: int, name: str, *position: int) -> np.random.Generator:
    """A fresh numpy generator (counter-based Philox) for one stream at one position."""
    return np.random.Generator(np.random.Philox(key=derive_seed(seed, name, *position)))
