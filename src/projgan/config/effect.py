"""Settings that change nothing beside others, which a user who chose them should hear."""

from __future__ import annotations

from collections.abc import Iterable

from projgan.config.schema import RunConfig

_FOR_PROJECTED = ("features", "projector", "heads")
_FOR_ONE = {
    "discriminator.reconstruction": "fastgan",
    "discriminator.r1_gamma": "stylegan2",
    "discriminator.r1_every": "stylegan2",
}


def without_effect(config: RunConfig, chosen: Iterable[str]) -> list[str]:
    """A sentence for each of the chosen settings, `section.field`, that has no effect."""
    name = config.discriminator.name
    chosen = list(chosen)
    sentences = [
        f"{key} has no effect with the discriminator {name}"
        for key in chosen
        if not _has_effect(key, name)
    ]
    if not config.metrics.every:
        sentences += [
            f"{key} has no effect without metrics.every"
            for key in chosen
            if key.startswith("metrics.") and key != "metrics.every"
        ]
    return sentences


def _has_effect(key: str, discriminator: str) -> bool:
    if key in _FOR_ONE:
        return _FOR_ONE[key] == discriminator
    if key == "discriminator.width":
        return discriminator != "projected"
    return discriminator == "projected" or key.partition(".")[0] not in _FOR_PROJECTED
