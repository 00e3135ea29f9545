"""Pictures and films from a trained generator."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from PIL import Image

from projgan.errors import UsageError
from projgan.images import grid, save_image, to_pil, to_uint8
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
    device: str = "auto",
    overwrite: bool = False,
    watch: Watch | None = None,
) -> list[Path]:
    """One PNG a seed in the folder `out`, or one grid of all in the file `out`.

    Memory does not grow with the number of single files. Each picture depends on its seed alone.
    Raises: UsageError: a file to be written exists.
    """
    watch = watch or Watch()
    snapshot = Snapshot.load(source, device=device)
    targets = [out] if as_grid else [out / f"seed{seed:06d}.png" for seed in seeds]
    _refuse_existing(targets, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    if as_grid:
        save_image(grid(snapshot.sample(seeds), columns=columns), out)
        return targets
    out.mkdir(parents=True, exist_ok=True)
    for done, (target, frame) in enumerate(
        zip(targets, _frames(snapshot, seeds), strict=True), start=1
    ):
        save_image(frame, target)
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
    device: str = "auto",
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Path:
    """A looping film through the latents of `seeds`; with several cells, each walks its own seeds.

    Args:
        seeds: K seeds a cell, cell after cell: `columns * rows * K` in all, K >= 2.
        frames: of the whole loop.
    """
    watch = watch or Watch()
    cells = columns * rows
    if len(seeds) % cells or len(seeds) // cells < 2:
        raise UsageError(
            f"{len(seeds)} seeds do not give each of {cells} cells the same number, at least 2",
            where="option --seeds",
            next_command=f"--seeds 0-{cells * 4 - 1}",
        )
    _refuse_existing([out], overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    snapshot = Snapshot.load(source, device=device)
    keys = snapshot.generator.latents(list(seeds)).view(cells, -1, snapshot.generator.z_dim)
    paths = torch.stack(
        [spherical_path(cell, frames) for cell in keys], dim=1
    )  # (frames, cells, z)

    def pictures() -> Iterator[Image.Image]:
        for number, z in enumerate(paths, start=1):
            yield grid(torch.cat(list(snapshot.images(z))), columns=columns)
            watch.progress("drawing frames", number, frames)

    write_film(pictures(), out, fps=fps, overwrite=overwrite)
    return out


def _frames(snapshot: Snapshot, seeds: Sequence[int]) -> Iterator[Image.Image]:
    for batch in snapshot.images(snapshot.generator.latents(list(seeds))):
        yield from (to_pil(picture) for picture in to_uint8(batch))


def _refuse_existing(targets: Sequence[Path], overwrite: bool) -> None:
    existing = [path for path in targets if path.exists()]
    if existing and not overwrite:
        raise UsageError(
            f"{len(existing)} of {len(targets)} files exist already",
            where=str(existing[0]),
            safe="nothing was written",
            next_command="choose another --out, or add --overwrite",
        )
