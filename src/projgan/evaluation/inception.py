"""Inception-v3 of 2015, the network of the standard FID, through torch-fidelity.

The package is an extra, and its weights are a file that the user has or asks for. It reads that
file as a pickle, which can run code. So it only gets bytes that have the digest in the file's name,
and that torch's reader of plain tensors has accepted before.

Source: Heusel et al. (2017) for the network; torch-fidelity (Obukhov et al., 2020) for the port and
its TensorFlow resize, which figures of papers depend on.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from projgan.errors import CheckpointError, HubError, ResourceError, UsageError, first_line
from projgan.evaluation.networks import INCEPTION, View, missing_weights
from projgan.features.weight_files import DEFAULT
from projgan.images import to_uint8

FILE = "weights-inception-2015-12-05-6726825d.pth"
_DIGEST = "6726825d"
_LAYERS = ["2048", "logits_unbiased"]


class InceptionView(View):
    """The 2048 pooled features, over pictures of 256 levels as the standard protocol has them."""

    def __init__(self, network: nn.Module, head: Tensor, *, digest: str) -> None:
        super().__init__(
            num_features=2048,
            resize="299 px bilinear as TensorFlow 1",
            identity=f"inception-v3-2015 {digest}",
        )
        self.network = network
        self.is_smooth = False
        self.head = head

    def forward(self, images: Tensor) -> Tensor:
        """(B, 3, H, W) in [-1, 1] -> (B, 2048)."""
        features: Tensor = self.network(to_uint8(images))[0]
        return features


def open_inception(weights: str | Path = DEFAULT) -> InceptionView:
    """The network with its weights, from a file or from torch's own cache of downloads.

    Raises:
        ResourceError: torch-fidelity or the weights are not on this machine.
        CheckpointError: these are not the weights.
        UsageError: there is no such file.
    """
    build = _library()
    path = _file(weights)
    content = path.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    if not digest.startswith(_DIGEST):
        raise CheckpointError(
            f"these are not the weights of {INCEPTION}: SHA-256 begins with {digest[:8]}, "
            f"not with {_DIGEST}",
            where=str(path),
        )
    try:
        torch.load(io.BytesIO(content), map_location="cpu", weights_only=True)
        network = build(INCEPTION, _LAYERS, feature_extractor_weights_path=io.BytesIO(content))
    # Of a pickle that would run code, of tensors that do not fit: each library has its own kinds.
    except Exception as error:
        raise CheckpointError(
            f"the weights cannot be used: {first_line(error)}", where=str(path)
        ) from error
    return InceptionView(network, network.fc.weight.detach().clone(), digest=digest)


def download_inception() -> Path:
    """The weights in torch's cache, fetched from the library's own address if they are not there.

    Raises: ResourceError: torch-fidelity is not installed. HubError: the address does not answer.
    """
    _library()
    if _cached().is_file():
        return _cached()
    from torch_fidelity import feature_extractor_inceptionv3 as library  # noqa: PLC0415 - an extra

    url = library.URL_INCEPTION_V3
    _cached().parent.mkdir(parents=True, exist_ok=True)
    try:
        torch.hub.download_url_to_file(url, str(_cached()), hash_prefix=_DIGEST, progress=False)
    except (OSError, RuntimeError) as error:
        raise HubError(
            f"the weights of {INCEPTION} were not fetched: {first_line(error)}",
            where=url,
            next_command=f"fetch that file elsewhere, then: --weights {INCEPTION}={FILE}",
        ) from error
    return _cached()


def _library() -> Callable[..., Any]:
    try:
        from torch_fidelity.feature_extractor_inceptionv3 import (  # noqa: PLC0415 - an extra
            FeatureExtractorInceptionV3,
        )
    except ImportError as error:
        raise ResourceError(
            f"the standard FID needs torch-fidelity, which cannot be imported: {first_line(error)}",
            where=f"extractor {INCEPTION}",
            next_command="pip install 'projgan[fid]'",
        ) from error
    found: Callable[..., Any] = FeatureExtractorInceptionV3
    return found


def _cached() -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / FILE


def _file(weights: str | Path) -> Path:
    if str(weights) == DEFAULT:
        if not _cached().is_file():
            raise missing_weights(INCEPTION, str(_cached()), f"the name {FILE}")
        return _cached()
    if not Path(weights).is_file():
        raise UsageError("there is no such file of weights", where=str(weights))
    return Path(weights)
