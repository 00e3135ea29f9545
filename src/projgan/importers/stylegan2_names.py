"""What the reference calls the parameters and buffers of StyleGAN2.

Its noise layers have no module of their own, so whole names are translated, piece by piece.
"""

from __future__ import annotations

import re

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


def stylegan2_name(ours: str) -> str:
    """The reference's name of an entry of our state dict.

    Shapes are the same but for axes of length 1.
    """
    for pattern, replacement in _PIECES:
        ours = re.sub(pattern, replacement, ours)
    return ours
