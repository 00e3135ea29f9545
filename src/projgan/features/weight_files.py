"""Where the weights of a feature network lie on this machine, and how they get into it.

They come from one of four places, and nothing here ever uses the network:

    package   a pip package: EfficientNet-Lite0 and 1 come with projgan (`features.weights`)
    file      a .safetensors file that the user names
    cache     the cache of the Hugging Face hub, filled by `projgan features --fetch NAME`
    random    no weights at all; only if the user asks for that

A file must have the names that timm gives to the network's parameters, or names that timm itself
can translate. What is missing, foreign or of another shape is an error: half a network is never
used. Parts that are cut off (the classifier) may be missing or have another shape.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Tensor, nn

from projgan.errors import CheckpointError, ResourceError, UsageError, first_line
from projgan.features.catalogue import entry_of
from projgan.features.weights import LITE_WEIGHTS, load_lite_state_dict, weights_path

DEFAULT = "default"
"""In place of a file: the weights of that name, from a package or from the hub's cache."""
HUB_FILE = "model.safetensors"

_WRONG_FILE = (RuntimeError, KeyError, ValueError, TypeError, AttributeError, AssertionError)


@dataclass(frozen=True)
class Source:
    """Where weights come from.

    Attributes:
        kind: one of the four places.
        path: the file; None for random weights.
        lite: the key of its package in LITE_WEIGHTS, or empty.
    """

    kind: Literal["package", "file", "cache", "random"]
    path: Path | None = None
    lite: str = ""


RANDOM = Source("random")


def find_source(name: str, file: str | Path = DEFAULT) -> Source:
    """Where the weights of a network would be read from.

    Args:
        file: a .safetensors file, or DEFAULT.
    Raises: UsageError: no such network, or not a .safetensors file. ResourceError: the weights
        are not on this machine; says how to get them.
    """
    if str(file) != DEFAULT:
        return _named_file(Path(file))
    lite = lite_package(name)
    if lite:
        try:
            return Source("package", weights_path(lite), lite)
        except ResourceError:
            if LITE_WEIGHTS[lite].comes_with_projgan:
                raise  # the numbers of runs depend on just these files
    cached = find_cached(repository_of(name))
    if cached is not None:
        return Source("cache", cached)
    if lite:
        return Source("package", weights_path(lite), lite)  # its message names the pip command
    raise ResourceError(
        f"the pretrained weights of {name} are not on this machine",
        where=f"neither a pip package nor the Hugging Face cache has {repository_of(name) or name}",
        next_command=f"projgan features --fetch {name}    (once, with a network)\n"
        "or:    --features-weights FILE.safetensors    (a file with timm's names)",
    )


def lite_package(name: str) -> str:
    """The key in LITE_WEIGHTS of the package that holds the weights of `name`, or ""."""
    model, _, tag = entry_of(name).timm_name.partition(".")
    packages = [key for key, weights in LITE_WEIGHTS.items() if weights.timm_model == model]
    return packages[0] if packages and tag in ("", "in1k") else ""


def repository_of(name: str) -> str:
    """The repository on the Hugging Face hub with the weights of `name`; empty if there is none.

    Raises: UsageError: timm knows no weights of that name.
    """
    import timm  # noqa: PLC0415 - slow to import

    try:
        config = timm.get_pretrained_cfg(entry_of(name).timm_name)
    except RuntimeError as error:
        raise UsageError(
            f"{error}", where="setting features.name", next_command="projgan features"
        ) from error
    return str(config.hf_hub_id or "") if config is not None else ""


def find_cached(repository: str) -> Path | None:
    """The weights of a repository in the hub's cache on this disk, if they are there."""
    if not repository:
        return None
    from huggingface_hub import try_to_load_from_cache  # noqa: PLC0415 - seldom needed

    found = try_to_load_from_cache(repository, HUB_FILE)
    return Path(found) if isinstance(found, str) else None


def read_state(source: Source) -> dict[str, Tensor]:
    """The weights, by name.

    Raises: CheckpointError: the file is damaged, or not the one that it should be.
    """
    assert source.path is not None, "random weights lie nowhere"
    if source.kind == "package":
        return load_lite_state_dict(source.lite)
    try:
        return load_file(source.path)
    except (OSError, SafetensorError, ValueError) as error:
        raise CheckpointError(
            f"these weights cannot be read: {first_line(error)}", where=str(source.path)
        ) from error


def fit_state(
    state: Mapping[str, Tensor],
    known: Collection[str],
    cut: nn.Module,
    *,
    timm_name: str,
    where: str,
) -> dict[str, Tensor]:
    """The part of `state` that a cut network needs, checked name by name.

    Args:
        state: as read.
        known: all names of the network before it was cut.
        cut: the network that shall have the weights.
        where: the file, for the message.
    Raises: CheckpointError: names or shapes do not fit, and timm cannot translate them either.
    """
    problem = _misfit(state, known, cut)
    if problem:
        translated = _translate(state, timm_name)
        if translated is None or _misfit(translated, known, cut):
            raise CheckpointError(
                f"these are not the weights of {timm_name}: {problem}",
                where=where,
                next_command="projgan features    (names the weights that each network takes)",
            )
        state = translated
    return {key: state[key] for key in cut.state_dict()}


def _misfit(state: Mapping[str, Tensor], known: Collection[str], cut: nn.Module) -> str:
    """What is wrong with the names and shapes of `state`; empty if nothing is."""
    wanted = cut.state_dict()
    missing = [key for key in wanted if key not in state]
    foreign = [key for key in state if key not in known]
    other = [k for k, v in wanted.items() if k in state and state[k].shape != v.shape]
    problems = [
        f"{len(keys)} {words}, such as {keys[0]}"
        for keys, words in (
            (missing, "missing"),
            (foreign, "unknown"),
            (other, "of another shape"),
        )
        if keys
    ]
    return "; ".join(problems)


def _translate(state: Mapping[str, Tensor], timm_name: str) -> dict[str, Tensor] | None:
    """The weights under the names of this timm, by its own rules for older files; or None."""
    import timm  # noqa: PLC0415 - slow to import

    overlay = {"state_dict": dict(state), "source": "", "custom_load": False}
    try:
        with torch.random.fork_rng(devices=[]), torch.device("cpu"):
            network = timm.create_model(timm_name, pretrained=True, pretrained_cfg_overlay=overlay)
    except _WRONG_FILE:
        return None
    return dict(network.state_dict())


def _named_file(path: Path) -> Source:
    if path.suffix != ".safetensors":
        problem = "weights are read from .safetensors files only, which cannot run code"
    elif not path.is_file():
        problem = "there is no such file of weights"
    else:
        return Source("file", path)
    raise UsageError(
        problem, where=str(path), next_command="--set features.weights=FILE.safetensors"
    )
