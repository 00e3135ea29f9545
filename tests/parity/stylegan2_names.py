"""What the reference calls the parameters and buffers of StyleGAN2.

Its noise layers have no module of their own, so whole names are translated, piece by piece.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from torch import Tensor, nn

_PIECES = (
    (r"^w_avg$", "mapping.w_avg"),
    (r"^mapping\.layers\.(\d+)", r"mapping.fc\1"),
    (r"^synthesis\.start$", "synthesis.b4.const"),
    (r"\.blocks\.(\d+)", r".b\1"),
    (r"\.b4\.convs\.0", ".b4.conv1"),  # its only convolution
    (r"\.convs\.(\d)", r".conv\1"),
    (r"\.to_image", ".torgb"),
    (r"\.to_style", ".affine"),
    (r"\.conv\.weight$", ".weight"),
    (r"\.noise\.weight$", ".noise_strength"),
    (r"\.noise\.fixed_noise$", ".noise_const"),
)


def reference_name(ours: str) -> str:
    """The reference's name of an entry of our state dict."""
    for pattern, replacement in _PIECES:
        ours = re.sub(pattern, replacement, ours)
    return ours


def load_stylegan2(module: nn.Module, state: Mapping[str, Tensor]) -> set[str]:
    """Fill every parameter and buffer; shapes differ by axes of length 1 only.

    Returns: the names in `state` that found no use.
    """
    own = module.state_dict()
    names = {ours: reference_name(ours) for ours in own}
    for ours, theirs in names.items():
        without_ones = [[n for n in t.shape if n > 1] for t in (own[ours], state[theirs])]
        assert without_ones[0] == without_ones[1], f"{ours} is not shaped like {theirs}"
    module.load_state_dict(
        {ours: state[theirs].reshape(own[ours].shape) for ours, theirs in names.items()}
    )
    return set(state) - set(names.values())
