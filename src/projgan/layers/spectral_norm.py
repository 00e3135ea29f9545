"""Spectral normalisation: convolutions whose weight is divided by its largest singular value.

Written out here instead of taken from `torch.nn.utils`, for three reasons: the division must stay
float32 under bfloat16 autocast, evaluation must use the stored vectors as they are, and state dicts
should hold a plain `weight`, `u` and `v`. It is also twice as fast on CPU: normalising the weight
of a wide 8x8 layer had taken half as long as its convolution.

Source: Miyato et al., Spectral Normalization for GANs (2018), algorithm 1; used by Projected GANs
(Sauer et al., 2021) in every convolution of the FastGAN generators and of the discriminator heads.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.autograd.function import once_differentiable

if TYPE_CHECKING:
    from typing import TypeGuard

EPS = 1e-12
START_ITERATIONS = 3


class _DivideBySigma(torch.autograd.Function):
    """weight / sigma where sigma = u^T W v, with the gradient through sigma written out.

    With y = W / sigma and the gradient g of y: dW = (g - (g . y) u v^T) / sigma. Autograd computes
    the same with more weight-sized temporaries, whose allocation is what costs on CPU. `u4`, `v4`:
    u and v in the weight's dimensions.
    """

    @staticmethod
    def forward(ctx: Any, weight: Tensor, sigma: Tensor, u4: Tensor, v4: Tensor) -> Tensor:
        normalized = weight / sigma
        ctx.save_for_backward(normalized, sigma, u4, v4)
        return normalized

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        normalized, sigma, u4, v4 = ctx.saved_tensors
        along_sigma = _inner_product(normalized, gradient)
        return torch.addcmul(gradient, u4 * -along_sigma, v4).div_(sigma), None, None, None


def _inner_product(a: Tensor, b: Tensor) -> Tensor:
    """The sum of a * b, without a temporary if both are contiguous or both channels_last."""
    if not a.is_contiguous():
        a, b = a.permute(0, 2, 3, 1), b.permute(0, 2, 3, 1)
    return torch.dot(a.flatten(), b.flatten())


class _SpectralNorm(nn.Module):
    """The shared part: the vectors `u`, `v` and the normalised weight; mixed into a convolution.

    The weight is unfolded to a matrix W of (output channels, everything else); sigma = u^T W v.
    A training forward makes one power iteration first; an evaluation forward none.
    """

    weight: Tensor
    u: Tensor
    v: Tensor
    _output_dim: int = 0
    _is_settled: bool = False

    def _add_vectors(self) -> None:
        """Start u and v as Gaussian vectors, a little aligned with the weight."""
        num_outputs = self.weight.shape[self._output_dim]
        for name, length in (("u", num_outputs), ("v", self.weight.numel() // num_outputs)):
            vector = torch.randn(length, dtype=self.weight.dtype, device=self.weight.device)
            self.register_buffer(name, F.normalize(vector, dim=0, eps=EPS))
        # Deviation: the reference starts with vectors that know nothing of the weight, so an
        # untrained network in evaluation divides by almost 0 and its pictures are noise of 1e5.
        for _ in range(START_ITERATIONS):
            self._power_iteration()

    def _matrix(self) -> Tensor:
        """The weight as (output channels, everything else), a view where the memory order allows.

        The columns follow the memory order, so they fit `_to_columns(v)`, not always v itself.
        """
        weight = self.weight
        if self._output_dim == 1:
            return weight.permute(0, 2, 3, 1).flatten(0, 2).t()
        return weight.permute(0, 2, 3, 1).flatten(1) if self._taps_first() else weight.flatten(1)

    def _taps_first(self) -> bool:
        """Whether W's columns run over kernel positions first: ordinary weight, channels_last."""
        is_channels_last = self.weight.is_contiguous(memory_format=torch.channels_last)
        return self._output_dim == 0 and is_channels_last and not self.weight.is_contiguous()

    def _to_columns(self, v: Tensor) -> Tensor:
        """v, stored in the order (input channel, row, column), in the order of W's columns."""
        return v.view(self.weight.shape[1], -1).t().flatten() if self._taps_first() else v

    def _from_columns(self, columns: Tensor) -> Tensor:
        """The inverse of `_to_columns`."""
        if self._taps_first():
            return columns.view(-1, self.weight.shape[1]).t().flatten()
        return columns

    def _shaped_vectors(self) -> tuple[Tensor, Tensor]:
        """Copies of u and v in the weight's dimensions.

        Copies, because the next training forward overwrites u and v in place, perhaps before this
        forward's backward (fake and real batches pass through the heads in turn).
        """
        kernel = self.weight.shape[2:]
        if self._output_dim == 1:
            return self.u.clone().view(1, -1, 1, 1), self.v.clone().view(-1, 1, *kernel)
        v4 = self.v.clone().view(1, -1, *kernel)
        if self._taps_first():
            v4 = v4.contiguous(memory_format=torch.channels_last)
        return self.u.clone().view(-1, *[1] * (self.weight.dim() - 1)), v4

    @torch.no_grad()
    def _power_iteration(self) -> Tensor:
        """One step of u and v towards the first singular vectors; returns sigma of the new ones."""
        matrix = self._matrix()
        columns = F.normalize(torch.mv(matrix.t(), self.u), dim=0, eps=EPS)
        product = torch.mv(matrix, columns)
        self.v.copy_(self._from_columns(columns))
        self.u.copy_(F.normalize(product, dim=0, eps=EPS))
        return torch.dot(self.u, product)

    @torch.no_grad()
    def settle(self) -> None:
        """Divide the stored weight itself, once and for all: for use without training."""
        assert not self.training, "a network that learns divides anew in every pass"
        self.weight.copy_(self.normalized_weight())
        self._is_settled = True

    def normalized_weight(self) -> Tensor:
        """The weight over sigma, in its own shape and type; gradients flow through both.

        In evaluation the stored vectors are used as they are, so sigma can be wrong, even negative,
        in a network that never trained. That is the reference's arithmetic; stored weights rely on
        it.
        """
        if self._is_settled:
            return self.weight
        # Autocast would run these products in bfloat16, and a rounded sigma scales the whole layer.
        with torch.autocast(self.weight.device.type, enabled=False):
            if not self.training:
                product = torch.mv(self._matrix(), self._to_columns(self.v))
                return self.weight / torch.dot(self.u, product)
            sigma = self._power_iteration()
            normalized: Tensor = _DivideBySigma.apply(self.weight, sigma, *self._shaped_vectors())
            return normalized


class SpectralNormConv2d(_SpectralNorm, nn.Conv2d):
    """A 2-D convolution with spectrally normalised weight.

    Parameters: `weight` (unnormalised, PyTorch's default distribution) and `bias` if asked for.
    Buffers: `u` (out,), `v` (in / groups * k * k,).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
        groups: int = 1,
    ) -> None:
        geometry = (in_channels, out_channels, kernel_size, stride, padding)
        super().__init__(*geometry, bias=bias, groups=groups)
        self._add_vectors()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in, H, W) -> (B, out, H', W')."""
        out: Tensor = self._conv_forward(x, self.normalized_weight(), self.bias)
        return out


class SpectralNormConvTranspose2d(_SpectralNorm, nn.ConvTranspose2d):
    """A 2-D transposed convolution with spectrally normalised weight.

    Parameters: `weight` (in, out / groups, *kernel) and `bias` if asked for.
    Buffers: `u` (out / groups,), `v` (in * positions of the kernel,): outputs are in dimension 1 of
    the weight.
    """

    _output_dim = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int],
        *,
        stride: int = 1,
        padding: int = 0,
        bias: bool = False,
        groups: int = 1,
    ) -> None:
        geometry = (in_channels, out_channels, kernel_size, stride, padding)
        super().__init__(*geometry, bias=bias, groups=groups)
        self._add_vectors()

    def forward(self, x: Tensor) -> Tensor:  # type: ignore[override]
        """(B, in, H, W) -> (B, out, H', W')."""
        padding = cast("tuple[int, ...]", self.padding)
        weight = self.normalized_weight()
        return F.conv_transpose2d(x, weight, self.bias, self.stride, padding, groups=self.groups)


class SpectralNormLinear(_SpectralNorm, nn.Linear):
    """A linear layer with spectrally normalised weight, and a bias.

    Always in float32: what is this small decides about whole feature maps.
    Parameters: `weight` (out, in) and `bias`. Buffers: `u` (out,), `v` (in,).
    """

    def __init__(self, in_features: int, out_features: int) -> None:
        super().__init__(in_features, out_features)
        self._add_vectors()

    def forward(self, x: Tensor) -> Tensor:
        """(B, in) -> (B, out), float32 under autocast too."""
        weight = self.normalized_weight()
        with torch.autocast(x.device.type, enabled=False):
            return F.linear(x.to(weight.dtype), weight, self.bias)


def is_normed(module: nn.Module) -> TypeGuard[_SpectralNorm]:
    """Whether it is one of the layers of this module."""
    return isinstance(module, _SpectralNorm)
