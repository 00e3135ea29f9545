"""Recipes say what the article says, and name what is ours."""

from __future__ import annotations

import pytest

from projgan.config.load import load_config
from projgan.config.recipes import RECIPES

SETS = ("kmb128", "aface256", "grumpy256")


@pytest.mark.parametrize(
    ("name", "resolution", "epoch"),
    [("kmb128", 128, 2_500), ("aface256", 256, 5_000), ("article", 128, 2_500)],
)
def test_lengths_of_the_article(name: str, resolution: int, epoch: int) -> None:
    """Method facts, 10: 30 epochs of 2500 steps, and of 5000; a grid an epoch."""
    config = load_config(preset=name)
    assert config.data.resolution == resolution
    assert config.training.images == 30 * epoch * config.training.batch
    assert config.training.sample_every == epoch * config.training.batch


@pytest.mark.parametrize("name", [*SETS, "article"])
def test_settings_of_the_article(name: str) -> None:
    config = load_config(preset=name)
    assert config.generator.name == "fastgan-lite"
    assert config.features.input_size == 224  # also for 256 px pictures
    assert config.augment.policy == ("translation", "flip")
    assert config.augment.adaptive == ("color", "cutout")
    assert config.augment.controller == "balance"
    assert not config.data.mirror  # the flip of the augmentation does that


def test_choices_that_are_ours() -> None:
    for name in SETS:
        config = load_config(preset=name)
        assert config.features.name == "lite0"
        assert config.training.ema_half_life_kimg == config.training.batch * 10 / 32
    article = load_config(preset="article")
    assert article.features.name == "tf_efficientnet_b0"
    assert load_config(preset="grumpy256").training == load_config(preset="aface256").training


@pytest.mark.parametrize("name", RECIPES)
def test_the_name_says_the_size(name: str) -> None:
    config = load_config(preset=name)
    digits = "".join(c for c in name.replace("stylegan2", "") if c.isdigit())
    assert not digits or config.data.resolution == int(digits)
    assert config.preset == name
