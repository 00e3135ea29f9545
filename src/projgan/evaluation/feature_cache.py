"""Features of the reals, kept on disk: the same pictures and network need no second look.

    features/KEY/features.safetensors    (N, D) float32, beside a manifest

The key is a hash of the pictures' content fingerprint, of which of them were looked at, and of the
extractor's identity: network, weights, preprocessing. What is damaged is computed anew.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
from torch import Tensor

from projgan.errors import CheckpointError, ResourceError
from projgan.storage import remove_folder, verify_folder, write_folder
from projgan.tensors import read_tensors, write_tensors

_FILE = "features.safetensors"
_VERSION = 1
"""Another one for another way from pictures to features."""


def features_key(fingerprint: str, chosen: Sequence[int], identity: str) -> str:
    """The name of a set of features.

    Args:
        fingerprint: of the prepared set.
        chosen: which of its pictures, in order.
        identity: of the extractor.
    """
    values = json.dumps([_VERSION, fingerprint, list(chosen), identity])
    return hashlib.sha256(values.encode("utf-8")).hexdigest()


class FeatureCache:
    """Features in the folder `root`/features, which need not exist yet.

    Args:
        root: the user's cache.
        note: told in a sentence if features cannot be kept; that stops nothing.
    """

    def __init__(self, root: Path, *, note: Callable[[str], None]) -> None:
        self.folder = Path(root) / "features"
        self._note = note

    def get(self, key: str, shape: tuple[int, int], compute: Callable[[], Tensor]) -> Tensor:
        """The (N, D) features called `key`: read if they are here and whole, else computed."""
        found = self._read(self.folder / key, shape)
        if found is not None:
            return found
        features = compute()
        if bool(torch.isfinite(features).all()):
            self._keep(self.folder / key, features)
        return features

    def _read(self, folder: Path, shape: tuple[int, int]) -> Tensor | None:
        if not folder.is_dir():
            return None
        try:
            verify_folder(folder)
            features = read_tensors(folder / _FILE)["features"]
        except (CheckpointError, KeyError, OSError):
            features = None
        if features is None or features.shape != shape or features.dtype != torch.float32:
            with contextlib.suppress(OSError):
                remove_folder(folder)
            return None
        return features

    def _keep(self, folder: Path, features: Tensor) -> None:
        if folder.exists():  # another process was faster, or a damaged one that will not go away
            return
        size = features.numel() * features.element_size()
        try:
            folder.parent.mkdir(parents=True, exist_ok=True)
            write_folder(
                folder,
                lambda target: write_tensors(target / _FILE, {"features": features}),
                bytes_needed=size + 10_000,
            )
        except (OSError, ResourceError) as error:
            self._note(f"the features of the reals are not kept for next time: {error}")
