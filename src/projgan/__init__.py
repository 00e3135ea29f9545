"""projgan: a Projected GAN that trains an image generator from a folder of pictures.

Three sizes of use: `ProjectedDiscriminator` for a training loop of your own, `Snapshot` for a
trained generator, `train` and `resume` for the whole thing. Names are loaded when they are first
used, so that importing the package (and `projgan --help`) needs no torch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from projgan.augment.pipeline import Augment
    from projgan.discriminators.projected import ProjectedDiscriminator
    from projgan.generators.base import Generator, register
    from projgan.snapshot import Snapshot
    from projgan.workflows.sitting import TrainResult
    from projgan.workflows.train import resume, train

__version__ = "0.1.0"

_HOMES = {
    "Augment": "projgan.augment.pipeline",
    "Generator": "projgan.generators.base",
    "ProjectedDiscriminator": "projgan.discriminators.projected",
    "Snapshot": "projgan.snapshot",
    "TrainResult": "projgan.workflows.sitting",
    "register": "projgan.generators.base",
    "resume": "projgan.workflows.train",
    "train": "projgan.workflows.train",
}

__all__ = [
    "Augment",
    "Generator",
    "ProjectedDiscriminator",
    "Snapshot",
    "TrainResult",
    "register",
    "resume",
    "train",
]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'projgan' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
