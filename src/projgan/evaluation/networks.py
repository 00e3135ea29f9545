"""The networks that metrics can look through, by name, and where their weights come from.

    lite1, lite0          EfficientNet-Lite, pooled; comes with projgan
    dinov2, dinov2-small  DINOv2 ViT-L/14 and ViT-S/14, class token; trained without classes
    clip                  CLIP ViT-B/32, its embedding of a picture; trained with captions
    inception             Inception-v3 of the standard FID, in `evaluation.inception`

dinov2 and clip are timm's, with a file that the user names or the hub's cache. Nothing here uses
the network.

Source: Kynkaanniemi et al., The Role of ImageNet Classes in Frechet Inception Distance (2023);
Stein et al., Exposing flaws of generative model evaluation metrics (2023), for DINOv2.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from projgan.errors import ResourceError, UsageError, choose_from, first_line
from projgan.features.backbones import build_classifier_trunk
from projgan.features.normalise import Normalise
from projgan.features.weight_files import DEFAULT, find_source, fit_state, read_state
from projgan.features.weights import LITE_WEIGHTS, load_lite_state_dict
from projgan.storage import sha256_of

INCEPTION = "inception"


@dataclass(frozen=True)
class Network:
    """One of timm's networks: the model, and the side in pixels at which it sees pictures."""

    timm_name: str
    size: int = 224


TIMM_NETWORKS: Mapping[str, Network] = {
    "dinov2": Network("vit_large_patch14_dinov2.lvd142m"),
    "dinov2-small": Network("vit_small_patch14_dinov2.lvd142m"),
    "clip": Network("vit_base_patch32_clip_224.openai"),
}
LITE = ("lite1", "lite0")


def known_extractors() -> tuple[str, ...]:
    """All names that an extractor can have."""
    return (*LITE, *TIMM_NETWORKS, INCEPTION)


class View(nn.Module):
    """What an extractor looks through: (B, 3, H, W) in [-1, 1], any size -> (B, D) features.

    Attributes:
        num_features: D.
        resize: size and resize rule, in words.
        identity: what features must have in common to be comparable: network, weights, rule.
        is_smooth: whether it sees finer steps than the 256 levels of a file.
        head: (classes, D), what gives class logits of features; None without classes.
        bias: (classes,), added to them; None for none.
    """

    def __init__(self, *, num_features: int, resize: str, identity: str) -> None:
        super().__init__()
        self.num_features = num_features
        self.resize = resize
        self.identity = f"{identity}, {resize}"
        self.is_smooth = True
        self.head: Tensor | None = None
        self.bias: Tensor | None = None


class TimmView(View):
    """A network of timm up to its features, seen at one size; bilinear and antialiased.

    Args:
        network: normalised pictures -> features.
        normalise: from [-1, 1] to the network's scale.
        size: side in pixels.
    """

    def __init__(
        self,
        network: nn.Module,
        normalise: Normalise,
        *,
        size: int,
        num_features: int,
        identity: str,
    ) -> None:
        super().__init__(
            num_features=num_features,
            resize=f"{size} px bilinear antialias",
            identity=identity,
        )
        self.network = network
        self.normalise = normalise
        self.size = size

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) -> (B, D). Antialiased, or shrinking would add noise."""
        size = (self.size, self.size)
        if images.shape[-2:] != size:
            images = F.interpolate(
                images, size=size, mode="bilinear", align_corners=False, antialias=True
            )
        features: Tensor = self.network(self.normalise(images))
        return features


def open_view(name: str, weights: str | Path = DEFAULT) -> View:
    """What the extractor `name` looks through.

    Args:
        weights: a file; DEFAULT: where they usually lie.

    Raises:
        UsageError: unknown name, or no such file.
        ResourceError: the weights, or torch-fidelity, are not on this machine.
        CheckpointError: the weights are damaged, or another network's.
    """
    if name == INCEPTION:
        from projgan.evaluation.inception import open_inception  # noqa: PLC0415 - an extra

        return open_inception(weights)
    if name in TIMM_NETWORKS:
        return _open_timm(name, weights)
    if name not in LITE:
        raise choose_from("extractor", name, known_extractors())
    if str(weights) != DEFAULT:
        raise UsageError(
            f"the weights of {name} come with projgan, and no others are taken",
            where="option --weights",
        )
    return _open_lite(name)


def _open_lite(name: str) -> View:
    trunk = build_classifier_trunk(name)
    state = load_lite_state_dict(name)
    view = TimmView(
        trunk,
        Normalise((0.5,) * 3, (0.5,) * 3),
        size=224,
        num_features=state["classifier.weight"].shape[1],
        identity=f"{name} {LITE_WEIGHTS[name].sha256}",
    )
    view.head, view.bias = state["classifier.weight"], state["classifier.bias"]
    return view


def _open_timm(name: str, weights: str | Path) -> View:
    plan = TIMM_NETWORKS[name]
    try:
        source = find_source(plan.timm_name, weights)
    except ResourceError as error:
        raise missing_weights(name, error.where, "timm's names") from error
    network, mean, std = _create(plan)
    state = read_state(source)
    fitted = fit_state(
        state, state_names(network), network, timm_name=plan.timm_name, where=str(source.path)
    )
    network.load_state_dict(fitted)
    assert source.path is not None, "only random weights lie nowhere"
    with torch.no_grad():
        width = network.eval()(torch.zeros(1, 3, plan.size, plan.size, device="cpu")).shape[1]
    return TimmView(
        network,
        Normalise(mean, std),
        size=plan.size,
        num_features=width,
        identity=f"{plan.timm_name} {sha256_of(source.path)}",
    )


def state_names(network: nn.Module) -> tuple[str, ...]:
    """The names of a network's parameters and buffers."""
    return tuple(network.state_dict())


def _create(plan: Network) -> tuple[Any, tuple[float, ...], tuple[float, ...]]:
    """The network with the weights it starts with, and the statistics it was trained on.

    Position embeddings are resized as a picture comes, by timm's own rule. The global random stream
    is as it was before.
    """
    import timm  # noqa: PLC0415 - slow to import

    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            network = timm.create_model(plan.timm_name, pretrained=False, dynamic_img_size=True)
    except (RuntimeError, TypeError, ValueError) as error:
        raise UsageError(
            f"timm cannot build {plan.timm_name}: {first_line(error)}", where="option --extractor"
        ) from error
    config: Any = network.pretrained_cfg
    return network, tuple(config["mean"]), tuple(config["std"])


def missing_weights(name: str, where: str, kind: str) -> ResourceError:
    """The error for weights that are not here: says the two ways to get them."""
    return ResourceError(
        f"the weights of the extractor {name} are not on this machine",
        where=where,
        next_command=f"add --download to --extractor {name}    (once, with a network)\n"
        f"or:    --weights {name}=FILE    (a file with {kind})",
    )
