"""Two short measurements that say how fast a device computes."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

import torch

from projgan.errors import ProjganError
from projgan.features.backbones import FeatureNetwork

MATRIX_SIDE = 1024
"""What fills a CPU; a GPU needs more."""
_SECONDS = 0.7
_SIZE, _BATCH = 224, 8
_KINDS = {"fp32": torch.float32, "bf16": torch.bfloat16}


def matrix_rate(
    device: torch.device,
    kind: str,
    *,
    threads: int,
    side: int = MATRIX_SIDE,
    read: Callable[[], float] = time.perf_counter,
) -> float:
    """Operations a second of a matrix product, side x side; a multiply-add counts as two.

    Args:
        read: the seconds that count.
    """
    a, b = (torch.ones(side, side, dtype=_KINDS[kind], device=device) for _ in range(2))
    with _threads(threads):
        return 2 * side**3 / _best(lambda: a @ b, device, read)


def feature_pass(device: torch.device, *, threads: int) -> tuple[float, bool]:
    """Seconds for 8 pictures of 224 px through lite0 and back; whether its weights are here."""
    has_weights = True
    try:
        network = FeatureNetwork("lite0", input_size=_SIZE)
    except ProjganError:
        has_weights = False
        network = FeatureNetwork("lite0", pretrained=False, input_size=_SIZE)
    network.to(device)
    images = torch.zeros(_BATCH, 3, _SIZE, _SIZE, device=device, requires_grad=True)

    def once() -> None:
        maps = network(images)
        torch.autograd.grad([m.square().mean() for m in maps], images)

    with _threads(threads):
        return _best(once, device), has_weights


def _best(
    work: Callable[[], object],
    device: torch.device,
    read: Callable[[], float] = time.perf_counter,
) -> float:
    """Seconds of the fastest of all repetitions within a short time, after one to warm up."""
    times: list[float] = []
    until = time.monotonic() + _SECONDS
    while len(times) < 3 or time.monotonic() < until:
        start = read()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        times.append(read() - start)
    return min(times[1:])


@contextlib.contextmanager
def _threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)
