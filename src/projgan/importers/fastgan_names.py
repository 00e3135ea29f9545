"""What the reference calls the parameters and buffers of the FastGAN generators.

A *name table* says what the reference calls our modules; the networks keep clean names. What a leaf
is called follows from the kind of module.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from torch import nn

from projgan.layers.spectral_norm import is_normed

NameTable = Sequence[tuple[str, str]]
"""Pairs (regular expression for the path of one of our modules, path in the reference)."""

_ALL: NameTable = (
    (r"start\.conv", "init.init.0"),
    (r"start\.norm", "init.init.1"),
    (r"excitations\.(\d+)\.squeeze", r"se_\1.main.1"),
    (r"excitations\.(\d+)\.excite", r"se_\1.main.3"),
    (r"to_image", "to_big"),
)
FASTGAN_LITE_NAMES: NameTable = (
    *_ALL,
    (r"blocks\.(\d+)\.0\.conv", r"feat_\1.1"),
    (r"blocks\.(\d+)\.0\.norm", r"feat_\1.2"),
)
FASTGAN_NAMES: NameTable = (
    *_ALL,
    (r"blocks\.(\d+)\.0\.conv", r"feat_\1.1"),
    (r"blocks\.(\d+)\.0\.noise", r"feat_\1.2"),
    (r"blocks\.(\d+)\.0\.norm", r"feat_\1.3"),
    (r"blocks\.(\d+)\.1\.conv", r"feat_\1.5"),
    (r"blocks\.(\d+)\.1\.noise", r"feat_\1.6"),
    (r"blocks\.(\d+)\.1\.norm", r"feat_\1.7"),
)

FASTGAN_CONDITIONAL_LITE_NAMES: NameTable = (
    *_ALL,
    (r"embed", "embed"),
    (r"blocks\.(\d+)\.convs\.0", r"feat_\1.conv"),
    (r"blocks\.(\d+)\.norms\.0\.norm", r"feat_\1.bn"),
    (r"blocks\.(\d+)\.norms\.0\.(gain|bias)", r"feat_\1.bn.\2"),
)
FASTGAN_CONDITIONAL_NAMES: NameTable = (
    *_ALL,
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


def reference_names(module: nn.Module, table: NameTable) -> dict[str, str]:
    """Our state-dict names -> the reference's, for every entry but the counters of batch norms."""
    names = {}
    for ours in module.state_dict():
        path, _, leaf = ours.rpartition(".")
        if leaf == "num_batches_tracked":
            continue
        leaf = _leaf(module.get_submodule(path), leaf)
        names[ours] = f"{reference_path(path, table)}.{leaf}"
    return names


def _leaf(module: nn.Module, leaf: str) -> str:
    if is_normed(module):
        return _SPECTRAL_NORM_LEAVES.get(leaf, leaf)
    if isinstance(module, nn.BatchNorm2d) and not module.affine:
        return _BARE_NORM_LEAVES[leaf]
    return leaf


def reference_path(path: str, table: NameTable) -> str:
    """The reference's path of one of our modules."""
    for pattern, replacement in table:
        match = re.fullmatch(pattern, path)
        if match:
            return match.expand(replacement)
    raise AssertionError(f"the name table has no entry for module {path!r}")
