"""Pictures and films from a trained generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path

import torch
from PIL import Image

from projgan.errors import UsageError
from projgan.images import grid, save_image, to_pil, to_uint8
from projgan.layers.noise import NoiseMode
from projgan.sampling.film import write_film
from projgan.sampling.interpolate import spherical_path
from projgan.snapshot import Snapshot
from projgan.workflows.watch import Watch


def sample(
    source: str | Path,
    *,
    seeds: Sequence[int],
    out: Path,
    as_grid: bool = False,
    columns: int | None = None,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    noise: NoiseMode | None = None,
    device: str = "auto",
    overwrite: bool = False,
    watch: Watch | None = None,
) -> list[Path]:
    """One PNG a seed in the folder `out`, or one grid of all in the file `out`.

    Memory does not grow with the number of single files. Each picture depends on its seed alone.
    Truncation and noise: as in `Snapshot.sample`.
    Raises: UsageError: a file to be written exists, or the generator lacks what is asked for.
    """
    watch = watch or Watch()
    snapshot = Snapshot.load(source, device=device)
    batches = snapshot.images(
        snapshot.generator.latents(seeds),
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
        noise=noise,
    )
    targets = [out] if as_grid else [out / f"seed{seed:06d}.png" for seed in seeds]
    refuse_existing(targets, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    if as_grid:
        save_image(grid(torch.cat(list(batches)), columns=columns), out)
        return targets
    out.mkdir(parents=True, exist_ok=True)
    pictures = (to_pil(pixels) for batch in batches for pixels in to_uint8(batch))
    for done, (target, picture) in enumerate(zip(targets, pictures, strict=True), start=1):
        save_image(picture, target)
        watch.progress("sampling", done, len(targets))
    return targets


def interpolate(
    source: str | Path,
    *,
    seeds: Sequence[int],
    out: Path,
    frames: int = 120,
    fps: int = 24,
    columns: int = 1,
    rows: int = 1,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    device: str = "auto",
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Path:
    """A looping film through the latents of `seeds`; with several cells, each walks its own seeds.

    Args:
        seeds: K seeds a cell, cell after cell: `columns * rows * K` in all, K >= 2.
        frames: of the whole loop.
        truncation_psi, truncation_cutoff: as in `Snapshot.sample`.
    Raises: UsageError: seeds do not fit the cells, `out` exists, or the generator has no
        truncation.
    """
    watch = watch or Watch()
    cells = columns * rows
    if len(seeds) % cells or len(seeds) // cells < 2:
        raise UsageError(
            f"{len(seeds)} seeds do not give each of {cells} cells the same number, at least 2",
            where="option --seeds",
            next_command=f"--seeds 0-{cells * 4 - 1}",
        )
    refuse_existing([out], overwrite)
    snapshot = Snapshot.load(source, device=device)
    keys = snapshot.generator.latents(list(seeds)).view(cells, -1, snapshot.generator.z_dim)
    paths = torch.stack(
        [spherical_path(cell, frames) for cell in keys], dim=1
    )  # (frames, cells, z)
    images_of = partial(
        snapshot.images, truncation_psi=truncation_psi, truncation_cutoff=truncation_cutoff
    )
    images_of(paths[0])  # makes no picture yet, but refuses what the generator does not have

    def pictures() -> Iterator[Image.Image]:
        for number, z in enumerate(paths, start=1):
            yield grid(torch.cat(list(images_of(z))), columns=columns)
            watch.progress("drawing frames", number, frames)

    out.parent.mkdir(parents=True, exist_ok=True)
    write_film(pictures(), out, fps=fps, overwrite=overwrite)
    return out


def refuse_existing(targets: Sequence[Path], overwrite: bool) -> None:
    """Raise UsageError if one of the files exists, unless it may be replaced."""
    existing = [path for path in targets if path.exists()]
    if existing and not overwrite:
        raise UsageError(
            f"{len(existing)} of {len(targets)} files exist already",
            where=str(existing[0]),
            safe="nothing was written",
            next_command="choose another --out, or add --overwrite",
        )
