"""Style mixing: some rows of the styles from one sample, the rest from another.

Source: StyleGAN (Karras et al., 2019), section 3.1, here for looking at samples; no generator of
this package is trained with it.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from projgan.errors import UsageError


def mix_styles(styles_w: Tensor, others_w: Tensor, layers: Sequence[int]) -> Tensor:
    """Every sample with every other: its own styles, but for those of `layers`.

    Args:
        styles_w: (N, S, W), coarse to fine.
        others_w: (M, S, W), from which the styles of `layers` come.
        layers: rows of the styles, 0 to S - 1.
    Returns: (N, M, S, W).
    Raises: UsageError: there is no such layer, or none is named.
    """
    num_styles = styles_w.shape[1]
    beyond = [layer for layer in layers if not 0 <= layer < num_styles]
    if beyond or not layers:
        raise UsageError(
            f"there is no layer {beyond[0]} to mix" if beyond else "no layer to mix is named",
            next_command=f"layers 0 to {num_styles - 1}, coarse to fine",
        )
    rows = torch.tensor(layers, device=styles_w.device)
    mixed = styles_w[:, None].repeat(1, len(others_w), 1, 1)
    mixed[:, :, rows] = others_w[None][:, :, rows]
    return mixed
