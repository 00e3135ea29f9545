"""Recipes: presets for one data set or one size each; docs/recipes.md says more about them.

Four follow an article in Japanese of March 2022, which rebuilt the method in TensorFlow and trained
on three small sets. It names lengths, picture sizes, generator (FastGAN-lite), feature network
(EfficientNet-B0 at 224 px) and augmentation. It leaves open batch size, learning rates, length of a
latent, widths, the speed of its controller, and the length of its run on cats: those are ours.
"""

from __future__ import annotations

from projgan.config.learning import AugmentConfig, OptimizerConfig, TrainingConfig
from projgan.config.networks import FeaturesConfig, GeneratorConfig, HeadsConfig
from projgan.config.pictures import DataConfig
from projgan.config.preset import Preset
from projgan.config.schema import RunConfig

_BATCH = 8  # ours
_STEPS_128, _STEPS_256 = 30 * 2_500, 30 * 5_000  # the article's: 30 epochs of so many steps

# The article's: translation and flip always, colour and cutout by chance, with a p that makes reals
# and fakes lose the same. Where p starts, and how fast it moves, are ours.
_BALANCED = AugmentConfig(
    policy=("translation", "flip"),
    adaptive=("color", "cutout"),
    controller="balance",
    p=0.5,
    kimg=100.0,
)

# The article's generator; latent and width are ours.
_ARTICLE_GENERATOR = GeneratorConfig(name="fastgan-lite", z_dim=256, width=64)
_ARTICLE_OPTIMIZER = OptimizerConfig(lr_g=2e-4, lr_d=2e-4)  # ours: the reference's

# What the article did not have: an averaged generator. A half-life far below one image makes the
# average the generator itself.
_NO_AVERAGE = 1e-6


def _article(
    name: str, resolution: int, steps: int, *, network: str, half_life_kimg: float
) -> RunConfig:
    """One run of the article, with a grid for each of its 30 epochs."""
    images = steps * _BATCH
    return RunConfig(
        preset=name,
        data=DataConfig(resolution=resolution),
        generator=_ARTICLE_GENERATOR,
        # The article shows its network 224 px always, and shrinks 256 px pictures to that.
        features=FeaturesConfig(name=network, input_size=224),
        augment=_BALANCED,
        optimizer=_ARTICLE_OPTIMIZER,
        training=TrainingConfig(
            images=images,
            batch=_BATCH,
            ema_half_life_kimg=half_life_kimg,
            sample_every=images // 30,
            snapshot_every=images // 10,
            checkpoint_every=images // 30,
        ),
    )


def _of_a_set(name: str, resolution: int, steps: int) -> RunConfig:
    """A run of the article with two choices of ours: lite0, whose weights are here, and an average.

    The half-life is the reference's, batch * 10 / 32 thousand images.
    """
    return _article(name, resolution, steps, network="lite0", half_life_kimg=_BATCH * 10 / 32)


RECIPES: dict[str, Preset] = {
    "kmb128": Preset(
        summary="128 px, about 300 drawn faces: the article's first run, with our averages",
        config=_of_a_set("kmb128", 128, _STEPS_128),
    ),
    "aface256": Preset(
        summary="256 px, about 100 drawn faces: the article's second run, with our averages",
        config=_of_a_set("aface256", 256, _STEPS_256),
    ),
    "grumpy256": Preset(
        summary="256 px, 100 faces of one cat: the article's third run; its length is ours",
        config=_of_a_set("grumpy256", 256, _STEPS_256),
    ),
    "article": Preset(
        summary="the article's settings as far as it names them: EfficientNet-B0, no average",
        config=_article(
            "article",
            128,
            _STEPS_128,
            network="tf_efficientnet_b0",
            half_life_kimg=_NO_AVERAGE,
        ),
    ),
    # The rest is ours altogether. Micro-batches are for memory: pictures are judged at full size.
    "few-shot-512": Preset(
        summary="100 to a few thousand pictures at 512 px (GPU)",
        config=RunConfig(
            preset="few-shot-512",
            data=DataConfig(resolution=512),
            training=TrainingConfig(images=1_200_000, batch=8, micro_batch=4),
        ),
    ),
    "few-shot-1024": Preset(
        summary="a few hundred to a few thousand pictures at 1024 px (GPU)",
        config=RunConfig(
            preset="few-shot-1024",
            data=DataConfig(resolution=1024),
            training=TrainingConfig(images=1_200_000, batch=8, micro_batch=2),
        ),
    ),
    "stylegan2-256": Preset(
        summary="a thousand pictures and more at 256 px, with StyleGAN2 (truncation, mixed styles)",
        config=RunConfig(
            preset="stylegan2-256",
            data=DataConfig(resolution=256),
            # The reference's network and heads. Its learning rate of 2e-3 is for batches of 64.
            generator=GeneratorConfig(name="stylegan2", z_dim=64, width=256),
            heads=HeadsConfig(kind="separable"),
            optimizer=OptimizerConfig(lr_g=1e-3, lr_d=1e-3),
            training=TrainingConfig(images=2_000_000, batch=8),
        ),
    ),
}
