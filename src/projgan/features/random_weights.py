"""Random weights from a stream of their own: for networks without pretrained weights, for mixing.

Nothing here touches torch's global random stream, and the same stream gives the same weights on
every machine and in every version of timm.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

# Entries with fewer dimensions than a weight that are drawn all the same: learned tokens and
# position embeddings of transformers, with the spread that they are usually started with.
_TOKEN_STD = 0.02


@torch.no_grad()
def draw_default(layer: nn.Conv2d | nn.ConvTranspose2d, stream: torch.Generator) -> None:
    """PyTorch's default distribution, in place: uniform in +-1/sqrt(fan_in), weight and bias alike.

    That is Kaiming's rule with a = sqrt(5). For a transposed convolution PyTorch takes the
    channels that go out for those that come in, and so does this.
    """
    bound = layer.weight[0].numel() ** -0.5
    for parameter in layer.parameters():
        parameter.uniform_(-bound, bound, generator=stream)


def random_state(network: nn.Module, stream: torch.Generator) -> dict[str, Tensor]:
    """Random weights for a whole network, by name.

    Convolutions after He et al. (2015), matrices with 1/fan_in, norms and other scales neutral,
    biases zero.
    """
    return {key: _draw(key, value, stream) for key, value in network.state_dict().items()}


def _draw(key: str, value: Tensor, stream: torch.Generator) -> Tensor:
    if not value.is_floating_point():
        return value.detach().clone()  # counters, and tables of positions
    if value.dim() in (2, 4):
        gain = 2.0 if value.dim() == 4 else 1.0
        draw = torch.randn(value.shape, generator=stream, device="cpu")
        return draw * (gain / value[0].numel()) ** 0.5
    if value.dim() == 3:
        return torch.randn(value.shape, generator=stream, device="cpu") * _TOKEN_STD
    if key.endswith(("weight", "running_var", "gamma")):
        return torch.ones(value.shape, device="cpu")
    return torch.zeros(value.shape, device="cpu")
