"""What is measured on a generator, and that planted faults are seen within three measurements."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from projgan.config.schema import RunConfig
from projgan.config.watching import HealthConfig, MetricsConfig
from projgan.data.dataset import PreparedSet
from projgan.data.drawn import draw_picture, write_drawn_set
from projgan.data.prepare import open_cached
from projgan.errors import DivergedError, ResourceError
from projgan.generators.base import Generator
from projgan.images import to_float
from projgan.snapshot import Snapshot
from projgan.training.health import COLLAPSE, COPYING, LEARNING, diagnose
from projgan.workflows import measure as measure_module
from projgan.workflows.measure import Measure, spacing
from tiny import tiny_config

SAMPLES = 24


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> PreparedSet:
    root = tmp_path_factory.mktemp("drawn")
    write_drawn_set(root / "photos", count=32, size=32)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PROJGAN_CACHE", str(root / "cache"))
        config = tiny_config()
        data = dataclasses.replace(config.data, path=str(root / "photos"))
        return open_cached(data)


def config_of(pictures: PreparedSet, **metrics: object) -> RunConfig:
    section = MetricsConfig(**{"every": 8, "samples": SAMPLES, **metrics})  # type: ignore[arg-type]
    return dataclasses.replace(tiny_config(), metrics=section.settled(len(pictures)))


class Planted(Generator):
    """Makes what it is told, from the latents."""

    def __init__(self, make: Callable[[Tensor], Tensor]) -> None:
        super().__init__(z_dim=16, resolution=32)
        self.make = make
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, z: Tensor, c: Tensor | None = None) -> Tensor:
        return self.make(z) + 0 * self.weight


def planted(make: Callable[[Tensor], Tensor]) -> Snapshot:
    return Snapshot(Planted(make), tiny_config(), images_seen=8)


def noisy(images: Tensor, z: Tensor) -> Tensor:
    """A little noise, from the latents: 2 of 256 levels."""
    return images + 0.016 * z.repeat(1, 192).view(-1, 3, 32, 32).clamp(-1, 1)


@pytest.fixture(scope="module")
def reals(pictures: PreparedSet) -> Tensor:
    return to_float(pictures.images(range(len(pictures))))


@pytest.fixture(scope="module")
def measure(pictures: PreparedSet) -> Measure:
    return Measure(config_of(pictures), pictures, note=lambda text: None)


def by_heart(z: Tensor, reals: Tensor) -> Tensor:
    """A picture of the set for each latent, most of them another one."""
    return reals[(z.abs().sum(dim=1) * 1000).long() % len(reals)]


FAULTS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "constant": lambda z, reals: noisy(reals[:1].expand(len(z), -1, -1, -1), z),
    "two modes": lambda z, reals: noisy(reals[(z[:, 0] > 0).long()], z),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_seen_within_three_measurements(
    measure: Measure, reals: Tensor, fault: str
) -> None:
    snapshot = planted(lambda z: FAULTS[fault](z, reals))
    figures = measure(snapshot)
    rows = [figures | {"images_seen": 8 * number} for number in (1, 2, 3)]
    assert diagnose(rows, judge="kid_lite1").state == COLLAPSE, figures


def test_a_memoriser_is_seen_within_three_measurements(measure: Measure, reals: Tensor) -> None:
    figures = measure(planted(lambda z: noisy(by_heart(z, reals), z)))
    rows = [figures | {"images_seen": 8 * number} for number in (1, 2, 3)]
    assert diagnose(rows, judge="kid_lite1").state == COPYING, figures
    assert figures["copy_score"] >= 0.95


def test_new_pictures_of_the_same_kind_are_healthy(measure: Measure) -> None:
    """Another drawn set: alike as the reals are alike, and no copies."""
    drawn = [np.asarray(draw_picture(7, index, 32)) for index in range(SAMPLES)]
    fresh = iter(to_float(torch.from_numpy(np.stack(drawn)).permute(0, 3, 1, 2)))
    figures = measure(planted(lambda z: torch.stack([next(fresh) for _ in z])))
    rows = [figures | {"images_seen": 8 * number} for number in (1, 2, 3)]
    assert diagnose(rows, judge="kid_lite1").state == LEARNING, figures
    assert figures["copy_score"] <= 0.1
    assert figures["precision"] > 0.5
    assert figures["recall"] > 0.5
    assert figures["kid_lite1"] < 0.1  # of an untrained generator: about 0.7


def test_numbers_that_are_not_finite_are_no_pictures(measure: Measure) -> None:
    snapshot = planted(lambda z: torch.zeros(len(z), 3, 32, 32))
    with torch.no_grad():
        snapshot.generator.weight.fill_(float("nan"))
    with pytest.raises(DivergedError, match="weight of the averaged generator is not finite"):
        measure(snapshot)


def test_spacing_is_that_of_nearest_neighbours() -> None:
    points = torch.tensor([[0.0, 0.0], [1.0, 0.0], [1.0, 3.0], [6.0, 3.0]])
    assert spacing(points) == pytest.approx(1.0)  # distances 1, 1, 3, 5, and the lower median
    assert spacing(torch.cat([points, points])) == 0.0


def test_the_share_of_the_time_is_kept(
    pictures: PreparedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    measure = Measure(config_of(pictures, share=0.05), pictures, note=lambda text: None)
    monkeypatch.setattr(measure, "_try", lambda: 10.0)
    assert not measure.is_due(elapsed_s=30.0, measured_s=0.0)  # less than two seconds: no trial
    assert not measure.is_due(elapsed_s=190.0, measured_s=0.0)
    assert measure.is_due(elapsed_s=210.0, measured_s=0.0)
    assert not measure.is_due(elapsed_s=380.0, measured_s=10.0)
    assert measure.is_due(elapsed_s=410.0, measured_s=10.0)


def test_time_decides_nothing_where_measurements_decide(pictures: PreparedSet) -> None:
    """How fast a machine is must not change what comes out."""
    flat = Measure(config_of(pictures, stop_when_flat=2), pictures, note=lambda text: None)
    assert flat.is_due(elapsed_s=0.0, measured_s=100.0)
    config = dataclasses.replace(config_of(pictures), health=HealthConfig(on_collapse="rollback"))
    assert Measure(config, pictures, note=lambda text: None).is_due(0.0, 100.0)
    config = config_of(pictures, every=0)
    assert not Measure(config, pictures, note=lambda text: None).is_due(1e6, 0.0)


def test_without_weights_nothing_is_measured_unless_it_must_be(
    pictures: PreparedSet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def missing(name: str) -> Path:
        raise ResourceError(f"the ImageNet weights of {name} are not installed")

    monkeypatch.setattr(measure_module, "weights_path", missing)
    notes: list[str] = []
    measure = Measure(config_of(pictures), pictures, note=notes.append)
    assert not measure.is_due(1e6, 0.0)
    assert notes == ["nothing is measured: the ImageNet weights of lite1 are not installed"]
    with pytest.raises(ResourceError):
        Measure(config_of(pictures, stop_when_flat=2), pictures, note=notes.append)
