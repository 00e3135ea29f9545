"""The section of the discriminator: what follows from its name, and what has no effect then."""

from __future__ import annotations

import json

import pytest

from projgan import build
from projgan.build import make_discriminator, settle
from projgan.config.effect import without_effect
from projgan.config.load import from_dict, override, to_json
from projgan.config.presets import PRESETS
from projgan.config.schema import RunConfig
from projgan.discriminators.fastgan import FastGANDiscriminator
from projgan.discriminators.projected import ProjectedDiscriminator
from projgan.discriminators.stylegan2 import StyleGAN2Discriminator
from projgan.errors import UsageError
from tiny import pixels_config, pixels_options, tiny_config


def test_loss_follows_from_the_name() -> None:
    losses = {
        name: override(RunConfig(), {"discriminator.name": name}).discriminator.loss
        for name in ("projected", "fastgan", "stylegan2")
    }
    assert losses == {"projected": "hinge", "fastgan": "hinge", "stylegan2": "logistic"}


def test_gamma_is_settled_by_the_heuristic_and_saved() -> None:
    options = pixels_options("stylegan2", data__resolution="64", training__batch="8")
    settled = settle(override(RunConfig(), options))
    assert settled.discriminator.r1_gamma == pytest.approx(0.0002 * 64**2 / 8)
    assert from_dict(json.loads(to_json(settled))) == settled
    assert settle(settled) == settled
    chosen = pixels_config("stylegan2", discriminator__r1_gamma="10")
    assert chosen.discriminator.r1_gamma == 10
    assert pixels_config("stylegan2", discriminator__r1_every="0").discriminator.r1_gamma == 0
    assert pixels_config("fastgan").discriminator.r1_gamma == 0


@pytest.mark.parametrize(("name", "width"), [("fastgan", 32), ("stylegan2", 64)])
def test_width_follows_the_generator(name: str, width: int) -> None:
    options = pixels_options(name) | {"discriminator.width": "0", "generator.width": "64"}
    assert settle(override(RunConfig(), options)).discriminator.width == width


def test_pixels_need_no_weights_of_feature_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*args: object) -> None:
        raise AssertionError("weights were asked for")

    for name in ("require_weights", "find_source", "only_size"):
        monkeypatch.setattr(build, name, fail)
    for name in ("fastgan", "stylegan2"):
        settled = pixels_config(name)
        assert settled.features.input_size == "reference"  # nobody looks, so nobody decided
        make_discriminator(settled)
    with pytest.raises(AssertionError, match="weights"):
        tiny_config()


def test_build_gives_each_its_size() -> None:
    assert isinstance(make_discriminator(tiny_config()), ProjectedDiscriminator)
    fastgan = make_discriminator(pixels_config("fastgan"))
    assert isinstance(fastgan, FastGANDiscriminator)
    assert fastgan.stem[0].weight.shape == (16, 3, 3, 3)  # 4 times the width at 32 px
    stylegan2 = make_discriminator(pixels_config("stylegan2"))
    assert isinstance(stylegan2, StyleGAN2Discriminator)
    assert stylegan2.from_image.weight.shape == (16, 3, 1, 1)


@pytest.mark.parametrize("name", ["fastgan", "stylegan2"])
def test_weights_depend_on_the_seed_alone(name: str) -> None:
    def first(seed: str) -> list[float]:
        judge = make_discriminator(pixels_config(name, training__seed=seed))
        return next(judge.parameters()).flatten()[:4].tolist()

    assert first("0") == first("0") != first("1")


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"name": "stylegan3"}, "known: projected, fastgan, stylegan2"),
        ({"width": "3"}, "between 4 and 512"),
        ({"r1_gamma": "-1"}, "not be negative"),
        ({"r1_every": "-1"}, "not be negative"),
        ({"reconstruction": "-0.5"}, "not be negative"),
    ],
)
def test_values_that_are_refused(changes: dict[str, str], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        override(RunConfig(), {f"discriminator.{key}": value for key, value in changes.items()})


def test_what_has_no_effect_is_named() -> None:
    chosen = [
        "features.name",
        "heads.kind",
        "discriminator.width",
        "discriminator.r1_every",
        "discriminator.reconstruction",
        "training.batch",
    ]

    def idle(config: RunConfig) -> set[str]:
        return {sentence.split()[0] for sentence in without_effect(config, chosen)}

    assert idle(RunConfig()) == set(chosen[2:5])
    assert idle(pixels_config("fastgan")) == {"features.name", "heads.kind", chosen[3]}
    assert idle(pixels_config("stylegan2")) == {"features.name", "heads.kind", chosen[4]}


@pytest.mark.parametrize("size", ["64", "256"])
def test_presets_differ_from_the_projected_one_in_the_discriminator_and_how_it_learns(
    size: str,
) -> None:
    """A comparison is fair where data, generator, batch and length are the same."""
    projected = PRESETS[f"few-shot-{size}"].config
    for name in ("fastgan", "stylegan2"):
        pixels = PRESETS[f"pixels-{name}-{size}"].config
        assert pixels.discriminator.name == name
        assert (pixels.data, pixels.generator) == (projected.data, projected.generator)
        assert pixels.augment == projected.augment
        for key in ("images", "batch", "ema_half_life_kimg", "ema_rampup", "precision"):
            assert getattr(pixels.training, key) == getattr(projected.training, key)


def test_description() -> None:
    assert pixels_config("fastgan").discriminator.description == (
        "discriminator fastgan of width 4, trained from pixels, hinge loss"
    )
    assert (
        "logistic loss and R1 (gamma 0.0512)"
        in pixels_config("stylegan2").discriminator.description
    )
