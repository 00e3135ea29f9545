"""A generator for use alone: what evaluation would compute anew for every batch is computed once.

Weights are divided by their spectral norm, and batch norms that directly follow a convolution are
part of it. Pictures are the same to float32's rounding (about 1e-6 of their range). Such a copy
cannot be trained, and its weights are not those of a snapshot.
"""

from __future__ import annotations

import copy

import torch
from torch import nn

from projgan.generators.base import Generator
from projgan.generators.fastgan import ConvStage, StartBlock
from projgan.layers.spectral_norm import SpectralNormConv2d, SpectralNormConvTranspose2d, is_normed


@torch.no_grad()
def folded(generator: Generator) -> Generator:
    """A copy in eval mode without gradients; the generator stays as it is."""
    quick = copy.deepcopy(generator).eval().requires_grad_(False)
    for module in quick.modules():
        if is_normed(module):
            module.settle()
    for module in quick.modules():
        if isinstance(module, StartBlock):
            module.add_module("norm", _into(module.conv, module.norm, output_dim=1))
        elif isinstance(module, ConvStage) and isinstance(module.noise, nn.Identity):
            module.add_module("norm", _into(module.conv, module.norm, output_dim=0))
    return quick


def _into(
    conv: SpectralNormConv2d | SpectralNormConvTranspose2d, norm: nn.Module, *, output_dim: int
) -> nn.Module:
    """Move a batch norm's scale and shift into the convolution before it; what stays is nothing."""
    if not isinstance(norm, nn.BatchNorm2d) or conv.bias is not None:
        return norm
    assert norm.running_mean is not None and norm.running_var is not None, "it has no statistics"
    scale = norm.weight * torch.rsqrt(norm.running_var + norm.eps)
    shape = [1] * conv.weight.dim()
    shape[output_dim] = -1
    conv.weight.mul_(scale.view(shape))
    conv.bias = nn.Parameter(norm.bias - norm.running_mean * scale, requires_grad=False)
    return nn.Identity()
