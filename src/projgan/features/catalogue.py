"""The feature networks that projgan knows by name, and how names are read.

A name stands for a network of timm together with one set of its weights, so that the same name
means the same numbers in every version of timm. Every other name of timm is accepted too
(`features.blueprint` says what it must be able to do). Nothing here needs torch or timm, except
to look at a name that is not in the catalogue.

Source: Projected GANs (Sauer et al., 2021) use EfficientNet-Lite; their follow-up compares the
other families. EfficientNet-B0 at 224 px is the network of the article in docs/deviations.md.
"""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass

from projgan.errors import UsageError

ALWAYS = 224
"""The one size at which a transformer sees pictures unless another is asked for, in pixels."""


@dataclass(frozen=True)
class Entry:
    """One known network.

    Attributes:
        timm_name: architecture and weights, as timm calls them.
        note: what there is to know about it, in a few words.
        size: side in pixels at which it always sees pictures; None: at any size.
    """

    timm_name: str
    note: str
    size: int | None = None


CATALOGUE: Mapping[str, Entry] = {
    "lite0": Entry("tf_efficientnet_lite0.in1k", "the default; the official code's"),
    "lite1": Entry("tf_efficientnet_lite1.in1k", "the paper's"),
    "lite2": Entry("tf_efficientnet_lite2.in1k", ""),
    "lite3": Entry("tf_efficientnet_lite3.in1k", ""),
    "lite4": Entry("tf_efficientnet_lite4.in1k", ""),
    "lite0-reference": Entry(
        "tf_efficientnet_lite0.in1k", "lite0 in the state in which the official code has it"
    ),
    "tf_efficientnet_b0": Entry("tf_efficientnet_b0.aa_in1k", "the article's", ALWAYS),
    "resnet18": Entry("resnet18.a1_in1k", ""),
    "resnet34": Entry("resnet34.a1_in1k", ""),
    "resnet50": Entry("resnet50.a1_in1k", ""),
    # timm calls its size fixed because of the pooling on top, which is cut off here.
    "resnet50_clip": Entry("resnet50_clip.openai", "trained on pictures with captions"),
    "regnety_004": Entry("regnety_004.tv2_in1k", ""),
    "regnety_016": Entry("regnety_016.tv2_in1k", ""),
    "convnext_atto": Entry("convnext_atto.d2_in1k", ""),
    "convnext_tiny": Entry("convnext_tiny.fb_in1k", ""),
    "mobilenetv3_small_100": Entry("mobilenetv3_small_100.lamb_in1k", ""),
    "mobilenetv3_large_100": Entry("mobilenetv3_large_100.ra_in1k", ""),
    "deit_tiny_patch16_224": Entry("deit_tiny_patch16_224.fb_in1k", "", ALWAYS),
    "deit_small_patch16_224": Entry("deit_small_patch16_224.fb_in1k", "", ALWAYS),
    "vit_small_patch16_224": Entry("vit_small_patch16_224.augreg_in21k_ft_in1k", "", ALWAYS),
    "vit_small_patch14_dinov2": Entry(
        "vit_small_patch14_dinov2.lvd142m", "trained without labels", ALWAYS
    ),
}


def split_names(text: str) -> tuple[str, ...]:
    """The networks in "lite0,deit_small_patch16_224": one, or several to be used at once.

    Raises: UsageError: there is none, or a comma too many.
    """
    names = tuple(name.strip() for name in text.split(","))
    if not all(names):
        raise UsageError(
            f"{text!r} does not name feature networks",
            where="setting features.name",
            next_command="--features lite0, or --features lite0,deit_small_patch16_224",
        )
    return names


def entry_of(name: str) -> Entry:
    """What a name stands for: an entry of the catalogue, or any network of timm.

    Raises: UsageError: neither knows the name.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    import timm  # noqa: PLC0415 - slow to import, and the catalogue does without

    # Names such as "hf-hub:owner/model" would make timm look into the network; it has none such.
    if not timm.is_model(name):
        close = difflib.get_close_matches(name, timm.list_models(), n=3)
        raise UsageError(
            f"unknown feature network {name!r}; known: {', '.join(CATALOGUE)}; "
            "and what timm calls a model" + (f", such as {', '.join(close)}" if close else ""),
            where="setting features.name",
            next_command="projgan features",
        )
    return Entry(name, "")
