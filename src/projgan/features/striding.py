"""Strided depthwise convolutions of a frozen network, computed so that a CPU is fast at them.

Same numbers; in lite0 at 192 px, four layers of this kind took a tenth of a training step.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from projgan.layers.strided import convolve_then_skip


def densify_strided_depthwise(network: nn.Module) -> int:
    """Replace every strided depthwise Conv2d of `network`, in place; weights keep their names.

    Returns: how many there were.
    """
    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if isinstance(child, nn.Conv2d) and _is_strided_depthwise(child)
    ]
    for parent, name, child in found:
        setattr(parent, name, _DenseThenEveryOther(child))
    return len(found)


def _is_strided_depthwise(module: nn.Conv2d) -> bool:
    if type(module).__name__ not in ("Conv2d", "Conv2dSame"):
        return False  # it may do more than a convolution
    is_depthwise = module.groups == module.in_channels > 1
    has_numbers = not isinstance(module.padding, str) and module.padding_mode == "zeros"
    return is_depthwise and has_numbers and max(module.stride) > 1


class _DenseThenEveryOther(nn.Conv2d):
    """What `original` computes: on a CPU by stride 1 and leaving values out."""

    def __init__(self, original: nn.Conv2d) -> None:
        super().__init__(
            original.in_channels,
            original.out_channels,
            original.kernel_size,  # type: ignore[arg-type]
            stride=original.stride,  # type: ignore[arg-type]
            padding=original.padding,  # type: ignore[arg-type]
            dilation=original.dilation,  # type: ignore[arg-type]
            groups=original.groups,
            bias=original.bias is not None,
            device="meta",
        )
        self.weight, self.bias = original.weight, original.bias
        self.pads_to_same = type(original).__name__ == "Conv2dSame"
        if self.pads_to_same:
            from timm.layers.padding import pad_same  # noqa: PLC0415 - slow to import

            self._pad_same = pad_same

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H', W')."""
        if self.pads_to_same:
            x = self._pad_same(x, list(self.kernel_size), list(self.stride), list(self.dilation))
        padding = (0, 0) if self.pads_to_same else self.padding
        assert not isinstance(padding, str), "the padding is in numbers"
        how = {"stride": self.stride, "padding": padding, "dilation": self.dilation}
        if x.device.type == "cpu":
            return convolve_then_skip(x, self.weight, self.bias, **how)
        return F.conv2d(x, self.weight, self.bias, **how, groups=self.groups)
