"""Every layer hands on the memory format that it is given, forwards and backwards.

A layer that does not makes the next one several times slower (see `layers.glu`), and nothing else
shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from projgan.build import make_augment
from projgan.layers.glu import GLU
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import reals, tiny_config


def has_other_format(x: Tensor) -> bool:
    """Whether it is surely not channels_last. One pixel or one channel fits both formats.

    Pictures, with up to four channels, are left out: reordering them costs nothing.
    """
    is_map = x.dim() == 4 and x.shape[1] > 4 and min(x.shape[2:]) > 1
    return is_map and not x.is_contiguous(memory_format=torch.channels_last)


def tensors_in(value: Any) -> Iterator[Tensor]:
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, (list, tuple)):
        for item in value:
            yield from tensors_in(item)


def lapses(state: TrainingState, step: TrainStep) -> list[str]:
    """Layers whose output, or its gradient, left channels_last; in one step."""
    found: list[str] = []
    handles = []
    for network in (state.generator, state.discriminator):
        for name, module in network.named_modules():
            label = f"{type(network).__name__}.{name} ({type(module).__name__})"

            def watch(_m: nn.Module, _i: Any, output: Any, label: str = label) -> None:
                for x in tensors_in(output):
                    if has_other_format(x):
                        found.append(f"{label}, output {tuple(x.shape)}")
                    if x.requires_grad:
                        x.register_hook(lambda g: note(g, f"{label}, gradient {tuple(g.shape)}"))

            handles.append(module.register_forward_hook(watch))

    def note(gradient: Tensor, text: str) -> None:
        if has_other_format(gradient):
            found.append(text)

    height, width = state.generator.size
    step(state, reals(4, resolution=max(height, width))[:, :, :height, :width])
    for handle in handles:
        handle.remove()
    return sorted(set(found))


CASES = {
    "lite, shared": {},
    "lite, alternating": {"training__step": "alternating"},
    "full, plain heads": {"generator__name": "fastgan", "heads__kind": "plain"},
    "stylegan2": {"generator__name": "stylegan2"},
    "bf16": {"training__precision": "bf16"},
    "adaptive": {"augment__adaptive": "flip,rotation,scale"},
    "not square": {"data__resolution": "160x128", "features__input_size": "reference"},
    "trained from pixels": {"discriminator__name": "fastgan", "discriminator__width": "4"},
}


@pytest.mark.parametrize("case", CASES)
def test_channels_last_through_the_whole_step(case: str) -> None:
    config = tiny_config(**{"data__resolution": "64"} | CASES[case])
    state = new_state(config)
    assert lapses(state, TrainStep(config, make_augment(config))) == []


def test_a_lapse_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """The layer that cost a factor of two before anyone looked."""
    monkeypatch.setattr(GLU, "forward", lambda self, x: nn.functional.glu(x, dim=1).contiguous())
    config = tiny_config(data__resolution="64")
    found = lapses(new_state(config), TrainStep(config, make_augment(config)))
    assert any("(GLU), output" in text for text in found)
