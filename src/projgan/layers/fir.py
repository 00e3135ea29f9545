"""Resampling with a small low-pass filter: up by 2, down by 2, and the filter alone.

The filter is the outer product of the taps 1, 3, 3, 1 with themselves, over 64; it sums to 1.
Beyond the border there are zeros. Under autocast too, results have the type of their input.

Source: StyleGAN2 (Karras et al., 2020), appendix B: bilinear filtering in up- and downsampling.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.layers.strided import convolve_then_skip

TAPS = (1.0, 3.0, 3.0, 1.0)


class _FIR(nn.Module):
    """The filter times `gain`, as the weight of a convolution that treats each channel alone."""

    kernel: Tensor

    def __init__(self, gain: float) -> None:
        super().__init__()
        taps = torch.tensor(TAPS)
        kernel = torch.outer(taps, taps)[None, None] * (gain / taps.sum().square())
        self.register_buffer("kernel", kernel, persistent=False)

    def _weight(self, x: Tensor) -> Tensor:
        return self.kernel.to(x.dtype).expand(x.shape[1], 1, len(TAPS), len(TAPS))


class Smooth2d(_FIR):
    """The filter alone, times `gain`; with 1 row of padding the result is one pixel smaller.

    A transposed convolution of stride 2 leaves a checkerboard of fewer and more contributions, 2H +
    1 pixels a side: this turns it into an upsampling by 2, with gain 4 for the zeros between. A 3x3
    convolution of stride 2 that pads nothing wants H + 1 pixels, which 2 rows of padding give.
    """

    def __init__(self, *, gain: float = 1.0, padding: int = 1) -> None:
        super().__init__(gain)
        self.padding = padding

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H + 2 * padding - 3, W + 2 * padding - 3)."""
        with torch.autocast(x.device.type, enabled=False):
            return F.conv2d(x, self._weight(x), padding=self.padding, groups=x.shape[1])


class Upsample2d(_FIR):
    """Twice the size: zeros between the pixels, then the filter times 4.

    Away from the border it is bilinear interpolation.
    """

    def __init__(self) -> None:
        super().__init__(gain=4.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, 2H, 2W)."""
        with torch.autocast(x.device.type, enabled=False):
            return F.conv_transpose2d(x, self._weight(x), stride=2, padding=1, groups=x.shape[1])


class Downsample2d(_FIR):
    """Half the size: the filter, then every other pixel."""

    def __init__(self) -> None:
        super().__init__(gain=1.0)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H / 2, W / 2); H and W are even."""
        with torch.autocast(x.device.type, enabled=False):
            if x.device.type == "cpu" and x.dtype == torch.bfloat16:
                # The same numbers. Measured on CPU, forward and backward, 64 channels of 64 px: 5
                # ms; with stride 2 in the convolution 25 ms in bfloat16, but 1 ms in float32.
                return convolve_then_skip(x, self._weight(x), stride=(2, 2), padding=1)
            return F.conv2d(x, self._weight(x), stride=2, padding=1, groups=x.shape[1])
