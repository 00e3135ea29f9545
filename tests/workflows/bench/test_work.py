from __future__ import annotations

from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.workflows.bench.feed import write_noise
from projgan.workflows.bench.rounds import Way
from projgan.workflows.bench.work import FlopCounter, Work, count_flops, not_compiled
from tiny import tiny_config


def flops_of(layer: nn.Module, x: Tensor) -> int:
    with FlopCounter() as counter:
        layer(x).sum().backward()
    return counter.flops


def test_a_convolution_costs_the_same_forward_and_for_each_gradient() -> None:
    x = torch.ones(2, 3, 8, 8, requires_grad=True)
    forward = 2 * 2 * 8 * 8 * (5 * 3 * 3 * 3)
    assert flops_of(nn.Conv2d(3, 5, 3, padding=1), x) == 3 * forward
    assert flops_of(nn.Conv2d(3, 5, 3, padding=1), x.detach()) == 2 * forward


def test_groups_count_once() -> None:
    x = torch.ones(2, 16, 8, 8, requires_grad=True)
    forward = 2 * 2 * 4 * 4 * (16 * 3 * 3)
    layer = nn.Conv2d(16, 16, 3, padding=1, stride=2, groups=16)
    assert flops_of(layer, x) == 3 * forward


def test_a_transposed_convolution_counts_by_its_input() -> None:
    x = torch.ones(2, 4, 8, 8, requires_grad=True)
    forward = 2 * 2 * 8 * 8 * (4 * 6 * 2 * 2)
    assert flops_of(nn.ConvTranspose2d(4, 6, 2, stride=2), x) == 3 * forward


def test_matrix_products_count() -> None:
    x = torch.ones(7, 3)
    with FlopCounter() as counter:
        F.linear(x, torch.ones(5, 3))
    assert counter.flops == 2 * 7 * 5 * 3


def test_a_rate_and_its_share() -> None:
    work = Work(flops=3_000, step_s=1.5, matrix_rate=8_000)
    assert (work.rate, work.share) == (2_000, 0.25)


def test_what_is_not_compiled_is_counted_as_it_is() -> None:
    eager = not_compiled(tiny_config(training__compile="on"))
    assert eager.training.compile == "off"
    assert not_compiled(eager) is eager


def test_alternating_computes_more(tmp_path: Path) -> None:
    flops = {}
    for mode in ("shared", "alternating"):
        config = tiny_config(training__step=mode)
        folder = tmp_path / mode
        folder.mkdir()
        flops[mode] = count_flops(Way(mode, config, write_noise(folder, config, 8)))
    assert flops["alternating"] > 1.1 * flops["shared"] > 0
