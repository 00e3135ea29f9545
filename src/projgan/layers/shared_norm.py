"""Batch normalisation over the images of several processes.

With a share of the batch each, processes normalise by the statistics of their own images, which are
fewer. This layer takes those of all: a mean and a variance from sums over the processes, and
gradients that flow through these sums. Processes then learn what one process with the whole batch
learns. It costs two small messages a layer, forwards and backwards.

Source: synchronised batch normalisation, as of MegDet (Peng et al., 2018), section 3.3; torch has
one for CUDA only.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributed.nn.functional import all_reduce


class SharedBatchNorm2d(nn.BatchNorm2d):
    """A BatchNorm2d of another one's parameters and buffers, over all processes while training.

    Every process must call it with as many values.
    """

    @classmethod
    def of(cls, norm: nn.BatchNorm2d) -> SharedBatchNorm2d:
        """The same norm, shared; parameters and buffers are the very same tensors."""
        shared = cls(norm.num_features, eps=norm.eps, momentum=norm.momentum, affine=norm.affine)
        shared._parameters, shared._buffers = norm._parameters, norm._buffers
        return shared.train(norm.training)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> the same shape and type."""
        if not self.training:
            return super().forward(x)
        wide = x.float()
        count = torch.distributed.get_world_size()
        mean = all_reduce(wide.mean(dim=(0, 2, 3))) / count
        centred = wide - mean[:, None, None]
        variance = all_reduce(centred.square().mean(dim=(0, 2, 3))) / count
        self._follow(mean.detach(), variance.detach(), values=count * x.numel() // x.shape[1])
        scale = torch.rsqrt(variance + self.eps)
        if self.affine:
            scale = scale * self.weight
        out = centred * scale[:, None, None]
        if self.affine:
            out = out + self.bias[:, None, None]
        return out.to(x.dtype)

    @torch.no_grad()
    def _follow(self, mean: Tensor, variance: Tensor, *, values: int) -> None:
        """Move the running statistics; the variance as an estimate from so many values."""
        assert self.running_mean is not None and self.running_var is not None, "it follows"
        assert self.num_batches_tracked is not None and self.momentum is not None, "it follows"
        self.num_batches_tracked += 1
        self.running_mean.lerp_(mean, self.momentum)
        self.running_var.lerp_(variance * (values / max(values - 1, 1)), self.momentum)


def share_batch_norms(network: nn.Module) -> int:
    """Replace every BatchNorm2d of a network in place; names stay. Returns how many there were."""
    found = [
        (parent, name, child)
        for parent in network.modules()
        for name, child in parent.named_children()
        if type(child) is nn.BatchNorm2d
    ]
    for parent, name, child in found:
        setattr(parent, name, SharedBatchNorm2d.of(child))
    return len(found)
