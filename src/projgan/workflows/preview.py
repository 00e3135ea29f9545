"""What the discriminator is shown: real pictures under fresh augmentations."""

from __future__ import annotations

from pathlib import Path

import torch

from projgan.augment.composite import composite
from projgan.build import make_augment
from projgan.config.schema import RunConfig
from projgan.data.prepare import open_cached
from projgan.errors import UsageError
from projgan.images import grid, over, save_image, to_float
from projgan.rng import numpy_stream, torch_stream
from projgan.workflows.watch import Watch

_ROWS, _DRAWS = 6, 7


def preview_augment(
    config: RunConfig, out: Path, *, overwrite: bool = False, watch: Watch | None = None
) -> Path:
    """Write a grid: a row a picture, first as it is, then under seven draws of the augmentation.

    Pictures with transparency are first shown on white, then on the backgrounds that are drawn.
    """
    watch = watch or Watch()
    if out.exists() and not overwrite:
        raise UsageError("the file exists already", where=str(out), next_command="add --overwrite")
    data = open_cached(
        config.data, progress=lambda done, total: watch.progress("preparing", done, total)
    )
    seed = config.training.seed
    chosen = numpy_stream(seed, "preview pictures").permutation(len(data))[:_ROWS]
    reals = to_float(data.images(chosen))
    repeated = reals.repeat_interleave(_DRAWS, dim=0)
    plain = composite(repeated, generator=torch_stream(seed, "preview background"))
    augmented = make_augment(config)(plain, generator=torch_stream(seed, "preview augment"))
    first = over(reals)
    rows = torch.cat([first[:, None], augmented.view(len(first), _DRAWS, *first.shape[1:])], dim=1)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_image(grid(rows.flatten(0, 1), columns=_DRAWS + 1), out)
    return out
