"""A snapshot in use: what a picture depends on, truncation, noise, styles, and the way to disk."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from projgan.build import make_generator
from projgan.errors import UsageError
from projgan.images import to_uint8
from projgan.snapshot import Snapshot
from tiny import make_loud, tiny_config


def snapshot_of(name: str) -> Snapshot:
    config = tiny_config(generator__name=name)
    return Snapshot(make_loud(make_generator(config)), config, images_seen=8)


@pytest.fixture(scope="module")
def styled() -> Snapshot:
    return snapshot_of("stylegan2")


def same_picture(one: torch.Tensor, other: torch.Tensor) -> bool:
    """But for rounding, which may also move a pixel by one level."""
    levels = (to_uint8(one).int() - to_uint8(other).int()).abs()
    return torch.allclose(one, other, rtol=1e-4, atol=1e-4) and int(levels.max()) <= 1


@pytest.mark.parametrize("name", ["fastgan-lite", "fastgan", "stylegan2"])
def test_a_picture_depends_on_its_seed_alone(name: str) -> None:
    snapshot = snapshot_of(name)
    some, many = snapshot.sample([3, 17]), snapshot.sample(range(20))
    assert some.shape == (2, 3, 32, 32)
    assert same_picture(some, many[[3, 17]])
    assert same_picture(some, snapshot.sample([17, 3], batch=1).flip(0))
    assert not same_picture(some[0], some[1])
    torch.manual_seed(1)
    again = snapshot.sample([3, 17])
    assert torch.equal(again, some)


@pytest.mark.parametrize("name", ["fastgan", "stylegan2"])
def test_random_noise_is_a_picture_s_own(name: str) -> None:
    snapshot = snapshot_of(name)
    const = snapshot.sample([3, 4, 3])
    torch.manual_seed(1)
    random = snapshot.sample([3, 4, 3], noise="random")
    expected = torch.rand(3)
    torch.manual_seed(1)
    assert torch.equal(torch.rand(3), expected)  # global random state is left alone
    assert torch.equal(random[0], random[2])
    assert torch.equal(snapshot.sample([4], noise="random")[0], random[1])
    assert not same_picture(random, const)
    none = snapshot.sample([3, 4], noise="none")
    assert not same_picture(none, const[:2])
    assert not same_picture(none, random[:2])
    # The mode of one call does not stay for the next.
    assert torch.equal(snapshot.sample([3, 4, 3]), const)
    assert torch.equal(snapshot.sample([3, 4, 3], noise="const"), const)


def test_truncation(styled: Snapshot) -> None:
    full = styled.sample(range(4))
    assert torch.equal(styled.sample(range(4), truncation_psi=1.0), full)
    mean = styled.sample(range(4), truncation_psi=0.0)
    assert same_picture(mean, mean[:1].expand_as(mean))
    w_avg = styled.generator.w_avg.expand(1, styled.generator.num_styles, -1)
    (of_the_mean,) = styled.synthesize(w_avg)
    assert same_picture(mean[:1], of_the_mean)
    half = styled.sample(range(4), truncation_psi=0.5)
    assert half.std(dim=0).mean() < full.std(dim=0).mean()
    coarse = styled.sample(range(4), truncation_psi=0.5, truncation_cutoff=2)
    assert not same_picture(coarse, half)
    assert not same_picture(coarse, full)
    rows = styled.generator.num_styles
    everything = styled.sample(range(4), truncation_psi=0.5, truncation_cutoff=rows)
    assert torch.equal(everything, half)


def test_styles_are_the_first_half_of_a_sample(styled: Snapshot) -> None:
    styles_w = styled.styles([3, 4])
    assert styles_w.shape == (2, 8, 128)
    assert torch.equal(torch.cat(list(styled.synthesize(styles_w))), styled.sample([3, 4]))
    for options in ({"truncation_psi": 0.4, "truncation_cutoff": 3}, {"noise": "none"}):
        (pictures,) = styled.synthesize(styles_w, **options)
        assert torch.equal(pictures, styled.sample([3, 4], **options))
    with pytest.raises(UsageError, match="const or none"):
        styled.synthesize(styles_w, noise="random")


@pytest.mark.parametrize(
    "options",
    [
        {"truncation_psi": 0.7},
        {"truncation_psi": 1.0},
        {"truncation_cutoff": 4},
        {"noise": "const"},
        {"noise": "random"},
    ],
)
def test_what_a_generator_does_not_have_is_refused(options: dict[str, object]) -> None:
    snapshot = snapshot_of("fastgan-lite")
    what = "noise" if "noise" in options else "truncation"
    with pytest.raises(UsageError, match=f"fastgan-lite has no {what}"):
        snapshot.images(snapshot.generator.latents([0]), **options)  # at once, before any picture
    with pytest.raises(UsageError, match="fastgan-lite has no styles"):
        snapshot.styles([0])
    assert snapshot.sample([0]).shape == (1, 3, 32, 32)


def test_full_fastgan_has_noise_and_no_truncation() -> None:
    snapshot = snapshot_of("fastgan")
    assert snapshot.sample([0], noise="none").shape == (1, 3, 32, 32)
    with pytest.raises(UsageError, match="fastgan has no truncation"):
        snapshot.sample([0], truncation_psi=0.7)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"truncation_psi": 7.0}, "between -2 and 2"),
        ({"truncation_psi": 0.7, "truncation_cutoff": 9}, "between 1 and 8"),
        ({"truncation_cutoff": 2}, "no effect without"),
        ({"noise": "loud"}, "const"),
    ],
)
def test_values_out_of_range_are_refused_at_once(
    styled: Snapshot, options: dict[str, object], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        styled.images(styled.generator.latents([0]), **options)


def test_no_seeds_are_refused(styled: Snapshot) -> None:
    with pytest.raises(UsageError, match="no seeds"):
        styled.sample([])


@pytest.mark.parametrize("name", ["fastgan", "stylegan2"])
def test_saved_and_loaded_it_makes_the_same_pictures(name: str, tmp_path: Path) -> None:
    snapshot = snapshot_of(name)
    if name == "stylegan2":  # its noise maps are part of it, and may be those of another network
        snapshot.generator.synthesis.blocks["32"].convs[1].noise.fixed_noise.mul_(-1)
    snapshot.save(tmp_path / "000000008")
    loaded = Snapshot.load(tmp_path / "000000008", device="cpu")
    assert loaded.images_seen == 8
    assert same_picture(loaded.sample(range(3)), snapshot.sample(range(3)))
    if name == "stylegan2":
        options = {"truncation_psi": 0.3}
        pair = (loaded.sample(range(3), **options), snapshot.sample(range(3), **options))
        assert same_picture(*pair)
