"""Samples by class from a snapshot."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from projgan.build import make_generator
from projgan.errors import UsageError
from projgan.snapshot import Classes, Snapshot
from tiny import make_loud, tiny_config

CLASSES = ("cat", "dog", "cow")


def snapshot_of(name: str = "fastgan-lite") -> Snapshot:
    config = tiny_config(
        generator__name=name, data__conditional="true", data__classes=",".join(CLASSES)
    )
    return Snapshot(make_loud(make_generator(config)), config, images_seen=8)


@pytest.fixture(scope="module")
def snapshot() -> Snapshot:
    return snapshot_of()


def close(one: torch.Tensor, other: torch.Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-4, atol=1e-4)


def test_a_picture_depends_on_seed_and_class_alone(snapshot: Snapshot) -> None:
    by_class = [snapshot.sample([5, 6], classes=name) for name in CLASSES]
    assert not close(by_class[0], by_class[1])
    mixed = snapshot.sample([6, 5, 6], classes=["cow", 0, "dog"], batch=2)
    assert close(mixed[0], by_class[2][1])
    assert close(mixed[1], by_class[0][0])
    assert close(mixed[2], by_class[1][1])


def test_without_classes_each_seed_has_its_turn(snapshot: Snapshot) -> None:
    assert snapshot.class_names == CLASSES
    assert snapshot.classes_of([7, 3, 5]) == [1, 0, 2]
    alone = snapshot.sample([7])
    assert close(alone, snapshot.sample(range(9))[7:8])
    assert close(alone, snapshot.sample([7], classes="dog"))


@pytest.mark.parametrize("classes", ["dog", 1, "1", [1, 1], ["dog", 1], torch.tensor([1, 1])])
def test_all_the_ways_to_name_a_class(snapshot: Snapshot, classes: Classes) -> None:
    assert close(snapshot.sample([0, 1], classes=classes), snapshot.sample([0, 1], classes=[1, 1]))


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ("horse", "unknown class 'horse'; known: cat, dog, cow"),
        (3, "unknown class 3"),
        ([0, "horse"], "unknown class 'horse'"),
        ([0], "1 classes for 2 pictures"),
    ],
)
def test_others_are_refused(snapshot: Snapshot, classes: Classes, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        snapshot.sample([0, 1], classes=classes)


def test_latents_alone_need_a_class(snapshot: Snapshot) -> None:
    latents = snapshot.generator.latents([0, 1])
    with pytest.raises(UsageError, match="needs a class"):
        snapshot.images(latents)
    assert len(torch.cat(list(snapshot.images(latents, classes=2)))) == 2


def test_a_generator_without_classes_refuses_them() -> None:
    config = tiny_config()
    plain = Snapshot(make_generator(config), config, images_seen=8)
    assert plain.class_names == () and plain.classes_of([0, 1]) is None
    with pytest.raises(UsageError, match="trained without classes"):
        plain.sample([0], classes="cat")


@pytest.mark.parametrize("name", ["fastgan", "stylegan2"])
def test_random_noise_goes_with_classes(name: str) -> None:
    snapshot = snapshot_of(name)
    random = snapshot.sample([3, 4, 3], classes=[0, 1, 2], noise="random")
    assert torch.equal(snapshot.sample([4], classes=1, noise="random")[0], random[1])
    assert not close(random[0], random[2])


def test_styles_and_truncation_have_classes() -> None:
    snapshot = snapshot_of("stylegan2")
    styles_w = snapshot.styles([3, 4], classes="cow")
    assert not close(styles_w, snapshot.styles([3, 4], classes="cat"))
    assert torch.equal(
        torch.cat(list(snapshot.synthesize(styles_w))), snapshot.sample([3, 4], classes="cow")
    )
    assert torch.equal(snapshot.styles([3, 4]), snapshot.styles([3, 4], classes=[0, 1]))
    (truncated,) = snapshot.synthesize(styles_w, truncation_psi=0.4)
    expected = snapshot.sample([3, 4], classes="cow", truncation_psi=0.4)
    assert torch.equal(truncated, expected)
    mean = snapshot.sample([3, 4, 5], truncation_psi=0.0)
    assert close(mean, mean[:1].expand_as(mean))  # one mean for all classes


def test_saved_and_loaded_it_knows_its_classes(tmp_path: Path) -> None:
    snapshot = snapshot_of()
    snapshot.save(tmp_path / "000000008")
    loaded = Snapshot.load(tmp_path / "000000008", device="cpu")
    assert loaded.class_names == CLASSES
    assert close(loaded.sample([1], classes="cow"), snapshot.sample([1], classes="cow"))
