"""A timm network cut behind its last tap, with its weights.

Weights go into the network as timm builds it, where every name can be checked; only then is it
cut. Its parameters keep timm's names.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from projgan.errors import UsageError, first_line
from projgan.features.blueprint import Blueprint, draw_blueprint
from projgan.features.catalogue import CATALOGUE, entry_of
from projgan.features.random_weights import random_state
from projgan.features.tokens import resize_positions
from projgan.features.weight_files import Source, fit_state, read_state
from projgan.rng import torch_stream

_POSITIONS = "pos_embed"


def create(name: str, *, size: int | None = None) -> Any:
    """The timm network that a name stands for: whole, with the weights it starts with, on the CPU.

    A module, but with methods that only timm has, for which there are no types.

    The global random stream is as it was before.

    Args:
        size: side of the pictures, for networks that must know it; None: their own.
    Raises: UsageError: unknown name, no weights of that name, or a size that cannot be chosen.
    """
    import timm  # noqa: PLC0415 - slow to import, and not needed to read this module

    timm_name = entry_of(name).timm_name
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            if size is None:
                return timm.create_model(timm_name, pretrained=False)
            return timm.create_model(timm_name, pretrained=False, img_size=size)
    except (RuntimeError, TypeError, ValueError, AssertionError) as error:
        raise UsageError(
            f"timm cannot build {timm_name}"
            + (f" for pictures of {size} px" if size else "")
            + f": {first_line(error)}",
            where="setting features.name",
            next_command="projgan features",
        ) from error


def only_size(name: str) -> int | None:
    """The side in pixels at which a network always sees pictures; None: at any.

    Raises: UsageError: unknown name, or a network that cannot give four maps.
    """
    if name in CATALOGUE:
        return CATALOGUE[name].size
    return draw_blueprint(name, create(name)).size


def cut(whole: Any, plan: Blueprint, source: Source, *, size: int | None) -> nn.Module:
    """The network up to its last tap, with the weights of `source`, frozen.

    Args:
        whole: from `create`; it is changed.
        size: side of the pictures that it will see; None: any.
    Raises: CheckpointError: the weights do not fit. UsageError: another size cannot be had.
    """
    known = whole.state_dict().keys()
    network = prune(whole, plan)
    if source.kind == "random":
        stream = torch_stream(0, f"random features {plan.name.removesuffix('-reference')}")
        state = random_state(network, stream)
    else:
        place = str(source.path)
        state = fit_state(read_state(source), known, network, timm_name=plan.timm_name, where=place)
    if plan.is_tokens and size is not None and size != plan.native_size:
        network = prune(create(plan.name, size=size), plan)
        state = _resized(state, network, plan, size)
    # strict (the default): a missing or an extra name is an error, never a half-loaded network.
    network.load_state_dict(state)
    frozen: nn.Module = network.eval().requires_grad_(False)
    return frozen


def take(network: Any, images: Tensor, plan: Blueprint) -> list[Tensor]:
    """The outputs of the tapped stages, or blocks: (B, C, h, w) each, without prefix tokens."""
    taken: list[Tensor] = network.forward_intermediates(
        images, indices=plan.indices, output_fmt="NCHW", intermediates_only=True
    )
    return taken


def prune(network: Any, plan: Blueprint) -> Any:
    """The network, in place, without what lies behind its last tap."""
    # Norms there belong to the classifier.
    network.prune_intermediate_layers(plan.indices, prune_norm=True, prune_head=True)
    return network


def blocks_in_rows(network: nn.Module) -> list[nn.Module]:
    """The members of its `Sequential`s, but for those that are rows themselves or single layers."""
    found: list[nn.Module] = []
    for child in network.children():
        in_row = isinstance(network, nn.Sequential) and not isinstance(child, nn.Sequential)
        if in_row and any(child.children()):
            found.append(child)
        else:
            found += blocks_in_rows(child)
    return found


def _resized(
    state: dict[str, Tensor], network: nn.Module, plan: Blueprint, size: int
) -> dict[str, Tensor]:
    """The weights for another grid of patches: position embeddings are resized, no other weight."""
    wanted = {key: value.shape for key, value in network.state_dict().items()}
    old, new = plan.native_size // plan.patch, size // plan.patch
    positions = state.get(_POSITIONS)
    if positions is not None and positions.dim() == 3 and positions.shape != wanted[_POSITIONS]:
        state = state | {_POSITIONS: resize_positions(positions, old, new)}
    if wanted != {key: value.shape for key, value in state.items()}:
        raise UsageError(
            f"{plan.name} sees pictures of {plan.native_size} px only",
            where="setting features.input_size",
            next_command=f"--set features.input_size={plan.native_size}",
        )
    return state
