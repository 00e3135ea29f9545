"""A table of mixed styles from a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

from projgan.data.classes import find_classes
from projgan.errors import UsageError
from projgan.images import grid, save_image
from projgan.layers.noise import NoiseMode
from projgan.sampling.mixing import mix_styles
from projgan.snapshot import Snapshot
from projgan.workflows.use import refuse_existing

COARSE = range(4)
"""The styles up to 8 px, and the first of 16 px: they decide about the layout."""


def mix(
    source: str | Path,
    *,
    seeds: Sequence[int],
    others: Sequence[int],
    out: Path,
    classes: str | None = None,
    layers: Sequence[int] = COARSE,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    noise: NoiseMode | None = None,
    device: str = "auto",
    allow_code: bool = False,
    overwrite: bool = False,
) -> Path:
    """One picture in the file `out`: a row for each of `seeds`, a column for each of `others`.

    The first column and the first row show the seeds themselves; where they meet is white. A cell
    is the picture of its row, but with the styles of `layers` from its column. Truncation
    and noise: as in `Snapshot.sample`, without noise that follows from a latent; `allow_code`: as
    in `Snapshot.load`.

    Args:
        classes: one class for all seeds, or two: that of the rows and that of the columns. None:
            each seed has the class of its turn.
    Raises: UsageError: the generator has no styles, there are more classes, or `out` exists.
    """
    snapshot = Snapshot.load(source, device=device, allow_code=allow_code)
    found: list[int | None] = [None]
    if classes is not None:
        found = [*find_classes(classes, snapshot.class_names)]
        if len(found) > 2:
            raise UsageError(
                f"a table mixes one class or two, not {len(found)}", where="option --class"
            )
    rows_w = snapshot.styles(seeds, classes=found[0])
    columns_w = snapshot.styles(others, classes=found[-1])
    cells_w = mix_styles(rows_w, columns_w, layers)
    table_w = torch.cat([rows_w[:, None], cells_w], dim=1).flatten(0, 1)
    batches = snapshot.synthesize(
        torch.cat([columns_w, table_w]),
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
        noise=noise,
    )
    refuse_existing([out], overwrite)
    pictures = torch.cat(list(batches))
    corner = torch.ones_like(pictures[:1])
    out.parent.mkdir(parents=True, exist_ok=True)
    save_image(grid(torch.cat([corner, pictures]), columns=len(others) + 1), out)
    return out
