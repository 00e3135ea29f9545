"""A table of mixed styles from a trained generator."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch

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
    layers: Sequence[int] = COARSE,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    noise: NoiseMode | None = None,
    device: str = "auto",
    overwrite: bool = False,
) -> Path:
    """One picture in the file `out`: a row for each of `seeds`, a column for each of `others`.

    The first column and the first row show the seeds themselves; where they meet is white. A cell
    is the picture of its row, but with the styles of `layers` from its column. Truncation
    and noise: as in `Snapshot.sample`, without noise that follows from a latent.

    Raises: UsageError: the generator has no styles, or `out` exists.
    """
    snapshot = Snapshot.load(source, device=device)
    rows_w, columns_w = snapshot.styles(seeds), snapshot.styles(others)
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
