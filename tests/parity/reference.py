"""The reference's numbers: where they lie, what they are called, and how weights are made.

Stored numbers lie in `data/` beside this file, larger ones in the shared folder beside the
repository. Weights are stored with them, or made by a rule from their names in the reference, so
that only outputs need storing. A *name table* says what the reference calls our modules; the
networks keep clean names.
"""

from __future__ import annotations

import json
import math
import re
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from projgan.layers.spectral_norm import (
    SpectralNormConv2d,
    SpectralNormConvTranspose2d,
    SpectralNormLinear,
)

TOLERANCE = 1e-4
"""Largest `relative_error` that counts as the same number."""

NameTable = Sequence[tuple[str, str]]
"""Pairs (regular expression for the path of one of our modules, path in the reference)."""

_FASTGAN_ALL: NameTable = (
    (r"start\.conv", "init.init.0"),
    (r"start\.norm", "init.init.1"),
    (r"excitations\.(\d+)\.squeeze", r"se_\1.main.1"),
    (r"excitations\.(\d+)\.excite", r"se_\1.main.3"),
    (r"to_image", "to_big"),
)
FASTGAN_LITE_NAMES: NameTable = (
    *_FASTGAN_ALL,
    (r"blocks\.(\d+)\.0\.conv", r"feat_\1.1"),
    (r"blocks\.(\d+)\.0\.norm", r"feat_\1.2"),
)
FASTGAN_NAMES: NameTable = (
    *_FASTGAN_ALL,
    (r"blocks\.(\d+)\.0\.conv", r"feat_\1.1"),
    (r"blocks\.(\d+)\.0\.noise", r"feat_\1.2"),
    (r"blocks\.(\d+)\.0\.norm", r"feat_\1.3"),
    (r"blocks\.(\d+)\.1\.conv", r"feat_\1.5"),
    (r"blocks\.(\d+)\.1\.noise", r"feat_\1.6"),
    (r"blocks\.(\d+)\.1\.norm", r"feat_\1.7"),
)

FASTGAN_CONDITIONAL_LITE_NAMES: NameTable = (
    *_FASTGAN_ALL,
    (r"embed", "embed"),
    (r"blocks\.(\d+)\.convs\.0", r"feat_\1.conv"),
    (r"blocks\.(\d+)\.norms\.0\.norm", r"feat_\1.bn"),
    (r"blocks\.(\d+)\.norms\.0\.(gain|bias)", r"feat_\1.bn.\2"),
)
FASTGAN_CONDITIONAL_NAMES: NameTable = (
    *_FASTGAN_ALL,
    (r"embed", "embed"),
    (r"blocks\.(\d+)\.convs\.0", r"feat_\1.conv1"),
    (r"blocks\.(\d+)\.convs\.1", r"feat_\1.conv2"),
    (r"blocks\.(\d+)\.noise", r"feat_\1.noise"),
    (r"blocks\.(\d+)\.norms\.0\.norm", r"feat_\1.bn1"),
    (r"blocks\.(\d+)\.norms\.1\.norm", r"feat_\1.bn2"),
    (r"blocks\.(\d+)\.norms\.0\.(gain|bias)", r"feat_\1.bn1.\2"),
    (r"blocks\.(\d+)\.norms\.1\.(gain|bias)", r"feat_\1.bn2.\2"),
)

_SPECTRAL_NORM_LEAVES = {"weight": "weight_orig", "u": "weight_u", "v": "weight_v"}
_BARE_NORM_LEAVES = {"running_mean": "stored_mean", "running_var": "stored_var"}


def parity_file(name: str) -> Path:
    """The file `name`.safetensors; the test is skipped where it is not at hand."""
    here = Path(__file__).resolve()
    for folder in (here.parent / "data", here.parents[3] / "shared" / "parity"):
        path = folder / f"{name}.safetensors"
        if path.is_file():
            return path
    pytest.skip("skipped: no shared data")


def read_parity(name: str) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors of a file, and its metadata; entries of it that are JSON come parsed."""
    with safe_open(parity_file(name), "pt") as file:
        metadata = {
            key: json.loads(text)
            for key, text in (file.metadata() or {}).items()
            if text[0] in "[{"
        }
        return {key: file.get_tensor(key) for key in file.keys()}, metadata  # noqa: SIM118 - not a dict


def relative_error(ours: Tensor, theirs: Tensor) -> float:
    """Largest difference, in units of the largest value of the reference."""
    assert ours.shape == theirs.shape, f"shape {tuple(ours.shape)} is not {tuple(theirs.shape)}"
    return float((ours - theirs).abs().max() / theirs.abs().max())


def rs(name: str) -> np.random.RandomState:
    """The random stream of a name."""
    return np.random.RandomState(zlib.crc32(name.encode()))


def rule_state(
    shapes: Mapping[str, Sequence[int]], *, prefix: str = "", transposed: Collection[str] = ()
) -> dict[str, Tensor]:
    """Weights made by the rule.

    Args:
        shapes: reference names, without `prefix`, and shapes; vectors of spectral norms need the
            weight that they belong to.
        prefix: part of the names that the streams belong to: "scratch.", "heads." or "synthesis.".
        transposed: paths of transposed convolutions, whose matrix has dimension 1 first.
    """
    state = {}
    for name, shape in shapes.items():
        if name.endswith(".weight_u"):
            path = name.removesuffix(".weight_u")
            weight = _rule_values(prefix + path + ".weight_orig", shapes[path + ".weight_orig"])
            matrix = weight.swapaxes(0, 1) if path in transposed else weight
            u, v = _first_singular_vectors(matrix.reshape(matrix.shape[0], -1))
            state[name], state[path + ".weight_v"] = _float32(u), _float32(v)
        elif not name.endswith(".weight_v"):
            state[name] = _float32(_rule_values(prefix + name, shape))
    return state


def _rule_values(name: str, shape: Sequence[int]) -> np.ndarray:
    leaf = name.rpartition(".")[2]
    if leaf in ("running_var", "stored_var"):
        return 0.5 + rs(name).rand(*shape)
    if leaf in ("running_mean", "stored_mean", "bias"):
        return 0.1 * rs(name).randn(*shape)
    if len(shape) == 1:
        is_norm = leaf == "weight" and shape[0] > 1
        return 1 + 0.1 * rs(name).randn(*shape) if is_norm else np.full(shape, 0.3)
    if name.endswith("embed.weight"):
        return rs(name).randn(*shape)
    return rs(name).randn(*shape) / np.sqrt(math.prod(shape[1:]))


def _first_singular_vectors(matrix: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """u and v, from eigenvectors of the smaller square: far quicker than all singular vectors."""
    if matrix.shape[0] > matrix.shape[1]:
        v, u = _first_singular_vectors(matrix.T)
        return u, v
    u = np.linalg.eigh(matrix @ matrix.T)[1][:, -1]
    v = matrix.T @ u
    return u, v / np.linalg.norm(v)


def _float32(values: np.ndarray) -> Tensor:
    return torch.from_numpy(values.astype(np.float32))


def reference_names(module: nn.Module, table: NameTable) -> dict[str, str]:
    """Our state-dict names -> the reference's, for every entry but the counters of batch norms."""
    names = {}
    for ours in module.state_dict():
        path, _, leaf = ours.rpartition(".")
        if leaf == "num_batches_tracked":
            continue
        leaf = _reference_leaf(module.get_submodule(path), leaf)
        names[ours] = f"{_reference_path(path, table)}.{leaf}"
    return names


def _reference_leaf(module: nn.Module, leaf: str) -> str:
    normalized = (SpectralNormConv2d, SpectralNormConvTranspose2d, SpectralNormLinear)
    if isinstance(module, normalized):
        return _SPECTRAL_NORM_LEAVES.get(leaf, leaf)
    if isinstance(module, nn.BatchNorm2d) and not module.affine:
        return _BARE_NORM_LEAVES[leaf]
    return leaf


def _reference_path(path: str, table: NameTable) -> str:
    for pattern, replacement in table:
        match = re.fullmatch(pattern, path)
        if match:
            return match.expand(replacement)
    raise AssertionError(f"the name table has no entry for module {path!r}")


def load_reference(module: nn.Module, table: NameTable, state: Mapping[str, Tensor]) -> set[str]:
    """Fill every parameter and buffer of `module` from a state in the reference's names.

    Returns: the names in `state` that found no use.
    """
    names = reference_names(module, table)
    missing, unexpected = module.load_state_dict(
        {ours: state[theirs] for ours, theirs in names.items()}, strict=False
    )
    assert not unexpected, f"not ours: {unexpected}"
    assert all(name.endswith("num_batches_tracked") for name in missing), f"not filled: {missing}"
    return set(state) - set(names.values())


def load_by_rule(module: nn.Module, table: NameTable, *, prefix: str) -> None:
    """Fill every parameter and buffer of `module` with the weights that the rule makes."""
    own_state = module.state_dict()
    names = reference_names(module, table)
    shapes = {theirs: tuple(own_state[ours].shape) for ours, theirs in names.items()}
    transposed = {
        _reference_path(path, table)
        for path, child in module.named_modules()
        if isinstance(child, SpectralNormConvTranspose2d)
    }
    load_reference(module, table, rule_state(shapes, prefix=prefix, transposed=transposed))
