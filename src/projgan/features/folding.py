"""Folding a frozen BatchNorm into the convolution before it.

In evaluation mode a BatchNorm is one fixed scale and shift a channel. A convolution followed by a
scale and a shift is a convolution with other weights and a bias, so the norm can vanish. Nothing
but rounding changes:

    BN(W * x) = g (W * x - mean) / sqrt(var + eps) + b
              = (s W) * x + (b - s mean)                        with s = g / sqrt(var + eps)

Why: one pass over memory less a layer, in the forward and in the backward pass (about a sixth of
the backbone's time on a CPU). And in bfloat16 the mean is subtracted before rounding, not after.

Which norm follows which convolution is seen by running the network once, not by names: a norm is
folded only if its input is the very tensor that a convolution gave out. Afterwards the network
runs again, and if its outputs are others, everything is put back. Both runs are in float64: in
float32, rounding alone can grow large through a deep network, and what is folded must not depend
on the machine.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

_TOLERANCE = 1e-5
"""Largest change of an output, as a share of its largest value. Rounding makes about 1e-12."""


@dataclass(frozen=True)
class _Pair:
    conv: nn.Conv2d
    norm: nn.BatchNorm2d


@torch.no_grad()
def fold_batch_norms(network: nn.Module, run: Callable[[], Sequence[Tensor]]) -> int:
    """Fold every BatchNorm2d of `network` that directly follows a Conv2d, in place.

    Only for frozen networks in evaluation mode. timm's BatchNormAct2d leaves its activation behind.

    Args:
        network: float32.
        run: puts some float64 picture through the network and returns its outputs.
    Returns: how many norms are gone; the others, if any, are as they were.
    """
    if not any(isinstance(module, nn.BatchNorm2d) for module in network.modules()):
        return 0
    network.double()
    undo: list[Callable[[], None]] = []
    try:
        pairs, before = _watch(network, run)
        places = _places(network)
        undo = [_fold(pair, places[pair.norm]) for pair in pairs]
        if not _agree(run(), before):
            raise ArithmeticError("the folded network computes something else")
    except (RuntimeError, ArithmeticError):  # or it cannot compute in float64
        for put_back in undo:
            put_back()
        undo = []
    finally:
        network.float()
    return len(undo)


def _watch(
    network: nn.Module, run: Callable[[], Sequence[Tensor]]
) -> tuple[list[_Pair], list[Tensor]]:
    """Which norm gets its input straight from which convolution; and the outputs of the run."""
    # By the id of the output; holding the tensor keeps its id from others.
    given: dict[int, tuple[nn.Conv2d, Tensor, int]] = {}
    calls: dict[nn.Module, int] = {}
    pairs: list[_Pair] = []

    def watch_conv(module: nn.Module, _inputs: tuple[Tensor, ...], output: Tensor) -> None:
        calls[module] = calls.get(module, 0) + 1
        assert isinstance(module, nn.Conv2d), "the hook belongs to a convolution"
        given[id(output)] = (module, output, output._version)

    def watch_norm(module: nn.Module, inputs: tuple[Tensor, ...]) -> None:
        calls[module] = calls.get(module, 0) + 1
        assert isinstance(module, nn.BatchNorm2d), "the hook belongs to a norm"
        conv, output, version = given.get(id(inputs[0]), (None, inputs[0], 0))
        # Another version: something in between worked in place.
        if conv is not None and output._version == version:
            pairs.append(_Pair(conv, module))

    hooks = [m.register_forward_hook(watch_conv) for m in network.modules() if _is_plain(m)]
    hooks += [
        m.register_forward_pre_hook(watch_norm)
        for m in network.modules()
        if isinstance(m, nn.BatchNorm2d)
    ]
    try:
        outputs = [output.clone() for output in run()]
    finally:
        for hook in hooks:
            hook.remove()
    # A layer that is used twice cannot change for one of its uses alone.
    convs = [pair.conv for pair in pairs]
    once = [p for p in pairs if calls[p.conv] == calls[p.norm] == convs.count(p.conv) == 1]
    return once, outputs


def _is_plain(module: nn.Module) -> bool:
    # Others, such as those that standardise their weight in every call, would undo the scale.
    return type(module).__name__ in ("Conv2d", "Conv2dSame") and isinstance(module, nn.Conv2d)


def _places(network: nn.Module) -> dict[nn.Module, list[tuple[nn.Module, str]]]:
    """Under which names, of which parents, each module is registered."""
    places: dict[nn.Module, list[tuple[nn.Module, str]]] = {}
    for parent in network.modules():
        for name, child in parent.named_children():
            places.setdefault(child, []).append((parent, name))
    return places


def _fold(pair: _Pair, places: list[tuple[nn.Module, str]]) -> Callable[[], None]:
    """Fold one pair, in float64, so that only the way back to float32 rounds; returns the undo."""
    conv, norm = pair.conv, pair.norm
    assert norm.running_mean is not None and norm.running_var is not None, "norm without statistics"
    weight, bias = conv.weight, conv.bias
    scale = 1 / torch.sqrt(norm.running_var + norm.eps)
    scale = scale if norm.weight is None else norm.weight * scale
    shift = scale * ((0 if bias is None else bias) - norm.running_mean)
    shift = shift if norm.bias is None else norm.bias + shift
    conv.weight = nn.Parameter(scale[:, None, None, None] * weight, requires_grad=False)
    conv.bias = nn.Parameter(shift, requires_grad=False)
    for parent, name in places:
        setattr(parent, name, getattr(norm, "act", nn.Identity()))

    def put_back() -> None:
        conv.weight, conv.bias = weight, bias
        for parent, name in places:
            setattr(parent, name, norm)

    return put_back


def _agree(after: Sequence[Tensor], before: Sequence[Tensor]) -> bool:
    return all(
        bool((a - b).abs().max() <= _TOLERANCE * b.abs().max())
        for a, b in zip(after, before, strict=True)
    )
