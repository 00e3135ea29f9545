"""The reference's numbers: where they lie, what they are called, and how weights are made.

Stored numbers lie in `data/` beside this file, larger ones in the shared folder beside the
repository. Weights are stored with them, or made by a rule from their names in the reference, so
that only outputs need storing. What the reference calls our modules: `importers.fastgan_names`.
"""

from __future__ import annotations

import json
import math
import zlib
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors import safe_open
from torch import Tensor, nn

from projgan.importers.fastgan_names import NameTable, reference_names, reference_path
from projgan.layers.spectral_norm import SpectralNormConvTranspose2d

TOLERANCE = 1e-4
"""Largest `relative_error` that counts as the same number."""


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
        reference_path(path, table)
        for path, child in module.named_modules()
        if isinstance(child, SpectralNormConvTranspose2d)
    }
    load_reference(module, table, rule_state(shapes, prefix=prefix, transposed=transposed))
