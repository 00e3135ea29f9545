"""`training.recompute`: the same run in less memory."""

import pytest
import torch
from torch.profiler import ProfilerActivity, profile

from projgan.build import make_augment
from projgan.generators.base import Generator
from projgan.training.checkpoint import find_latest, restore, save_checkpoint
from projgan.training.recompute import recompute_parts
from projgan.training.state import TrainingState, new_state
from projgan.training.step import TrainStep
from tiny import pixels_config, reals, tiny_config

KINDS = {
    "in parts": {"training__micro_batch": "2"},
    "alternating, bf16": {"training__step": "alternating", "training__precision": "bf16"},
    "noise, frozen blocks": {"generator__name": "fastgan", "training__freeze_generator": "2"},
    "styles": {"generator__name": "stylegan2"},
}


def run(config: object, steps: int = 2) -> TrainingState:
    state = new_state(config)
    step = TrainStep(config, make_augment(config))
    for number in range(steps):
        step(state, reals(config.training.batch, resolution=config.data.resolution, seed=number))
    return state


def require_equal(one: TrainingState, other: TrainingState) -> None:
    """Weights, batch statistics, spectral vectors, averages and optimisers, bit for bit."""
    for name in ("generator", "generator_ema", "discriminator"):
        a, b = (getattr(state, name).state_dict() for state in (one, other))
        assert list(a) == list(b), "names changed"
        assert not [key for key in a if not torch.equal(a[key], b[key])], name
    for name in ("optimizer_g", "optimizer_d"):
        a, b = (getattr(state, name).state_dict()["state"] for state in (one, other))
        assert all(torch.equal(a[k][key], b[k][key]) for k in a for key in a[k]), name
    assert one.averages.means() == other.averages.means()


@pytest.mark.parametrize("kind", KINDS)
def test_the_run_is_the_same(kind: str) -> None:
    plain = run(tiny_config(**KINDS[kind]))
    require_equal(plain, run(tiny_config(training__recompute="true", **KINDS[kind])))


def test_the_run_is_the_same_beside_a_discriminator_from_pixels() -> None:
    plain = run(pixels_config("stylegan2"))
    require_equal(plain, run(pixels_config("stylegan2", training__recompute="true")))


def test_a_run_may_change_to_it_when_it_is_resumed(tmp_path) -> None:
    config = tiny_config(training__recompute="true")
    save_checkpoint(tmp_path, run(tiny_config(), 1), config, fingerprint="", hashes={})
    state = new_state(config)
    restore(find_latest(tmp_path)[0], state)
    TrainStep(config, make_augment(config))(state, reals(seed=1))
    plain = run(tiny_config(), 2)
    a, b = state.generator.state_dict(), plain.generator.state_dict()
    assert all(torch.equal(a[key], b[key]) for key in a)


def test_the_second_pass_starts_where_the_first_did() -> None:
    """It would not, if buffers were only kept from moving: these outputs depend on them."""

    class Counting(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.ones(()))
            self.seen: list[float] = []

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            self.seen.append(float(self.count))
            self.count += 1
            return (x * self.count).exp()

    class Owner(Generator):
        def __init__(self) -> None:
            super().__init__(z_dim=2, resolution=1)
            self.part = Counting()

        def segments(self) -> list[torch.nn.Module]:
            return [self.part]

        def forward(self, z: torch.Tensor) -> torch.Tensor:
            return self.part(z)

    owner = Owner()
    count = owner.part.count
    recompute_parts(owner, new_state(pixels_config("fastgan")).discriminator)
    z = torch.zeros(1, 2, requires_grad=True)
    out = owner(z).sum()
    out.backward(retain_graph=True)
    out.backward()
    assert owner.part.seen == [1, 1, 1] and owner.part.count is count and float(count) == 2
    assert z.grad is not None and z.grad.tolist() == [[4, 4]]
    with torch.no_grad():
        owner(z)
    assert owner.part.seen == [1, 1, 1, 2]


def test_less_is_held_between_the_passes() -> None:
    plain, sparing = (
        _peak(tiny_config(data__resolution="64", training__batch="8", training__recompute=word))
        for word in ("false", "true")
    )
    assert sparing < 0.75 * plain, f"{sparing} of {plain} bytes"


def _peak(config: object) -> int:
    """Most bytes of tensors alive at once in a second step, above those at its start."""
    state = run(config, 1)
    step = TrainStep(config, make_augment(config))
    real = reals(config.training.batch, resolution=config.data.resolution)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiled:
        step(state, real)
    results = profiled.profiler.kineto_results.events()
    changes = [event for event in results if event.name() == "[memory]"]
    held = most = 0
    for change in sorted(changes, key=lambda event: event.start_ns()):
        held += change.nbytes()
        most = max(most, held)
    return most
