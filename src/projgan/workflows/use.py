"""Pictures and films from a trained generator."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Literal

import torch
from PIL import Image
from torch import Tensor

from projgan.data.classes import find_classes
from projgan.errors import UsageError
from projgan.images import grid, picture_format, save_image, to_pil, to_uint8
from projgan.layers.noise import NoiseMode
from projgan.sampling.film import write_film
from projgan.sampling.interpolate import spherical_path
from projgan.snapshot import Classes, Snapshot
from projgan.workflows.watch import Watch


def sample(
    source: str | Path,
    *,
    seeds: Sequence[int],
    out: Path,
    classes: str | None = None,
    as_grid: bool = False,
    columns: int | None = None,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    noise: NoiseMode | None = None,
    precision: Literal["fp32", "bf16"] = "fp32",
    device: str = "auto",
    allow_code: bool = False,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> list[Path]:
    """One PNG a seed in the folder `out`, or one grid of all in the file `out`.

    Memory does not grow with the number of single files. Each picture depends on its seed and class
    alone. Truncation and noise: as in `Snapshot.sample`; `allow_code`: as in `Snapshot.load`.

    Args:
        classes: of a conditional generator, such as "cat", "cat,dog" or "all" (see
            `data.classes.find_classes`): every seed in each of them, class after class, which makes
            a row a class in a grid. None: each seed has the class of its turn.
        columns: of the grid; by default most nearly square, and with several classes the seeds.
        precision: bf16 as in `Snapshot.quick`.
    Raises: UsageError: a file to be written exists, or the generator lacks what is asked for.
    """
    watch = watch or Watch()
    snapshot = Snapshot.load(source, device=device, allow_code=allow_code)
    wanted = list_pictures(snapshot, seeds, classes=classes, watch=watch)
    snapshot = snapshot.quick(bf16=precision == "bf16")
    style = Style(truncation_psi, truncation_cutoff, noise)
    columns = columns or wanted.columns
    return write_pictures(
        snapshot,
        wanted,
        out,
        style=style,
        as_grid=as_grid,
        columns=columns,
        overwrite=overwrite,
        watch=watch,
    )


_PART = 256
"""Pictures whose latents are there at once."""


@dataclass(frozen=True)
class Style:
    """How pictures are made, whatever their latents: as in `Snapshot.sample`."""

    truncation_psi: float | None = None
    truncation_cutoff: int | None = None
    noise: NoiseMode | None = None

    def images(self, snapshot: Snapshot, latents_z: Tensor, classes: Classes) -> Iterator[Tensor]:
        """Pictures of latents, batch by batch, as `Snapshot.images` gives them."""
        return snapshot.images(
            latents_z,
            classes=classes,
            truncation_psi=self.truncation_psi,
            truncation_cutoff=self.truncation_cutoff,
            noise=self.noise,
        )


@dataclass(frozen=True)
class Wanted:
    """Pictures to be made: a seed and perhaps a class index for each.

    Attributes:
        are_named: the classes were asked for, and so stand in the names of files.
        columns: of a grid, if the classes decide about them.
    """

    seeds: list[int]
    classes: list[int] | None
    are_named: bool = False
    columns: int | None = None

    def batches(self, snapshot: Snapshot, style: Style) -> Iterator[Tensor]:
        """The pictures, batch by batch; memory does not grow with their number.

        What the generator lacks is refused before the first is asked for.
        """
        parts = (slice(start, start + _PART) for start in range(0, len(self.seeds), _PART))
        self._part(snapshot, style, slice(0, 1))
        return (batch for part in parts for batch in self._part(snapshot, style, part))

    def _part(self, snapshot: Snapshot, style: Style, part: slice) -> Iterator[Tensor]:
        latents = snapshot.generator.latents(self.seeds[part])
        return style.images(snapshot, latents, None if self.classes is None else self.classes[part])

    def names(self) -> list[str]:
        """A file name for each. Classes by number: a name may hold anything."""
        names = [f"seed{seed:06d}.png" for seed in self.seeds]
        if self.classes is None or not self.are_named:
            return names
        return [f"class{c:03d}-{name}" for c, name in zip(self.classes, names, strict=True)]


def list_pictures(
    snapshot: Snapshot, seeds: Sequence[int], *, classes: str | None, watch: Watch
) -> Wanted:
    """Every seed in every class that is named, class after class; or each in the class of its turn.

    Raises: UsageError: there is no such class.
    """
    count = len(snapshot.class_names)
    if classes is None:
        return Wanted(list(seeds), [seed % count for seed in seeds] if count else None)
    found = find_classes(classes, snapshot.class_names)
    watch.note(", ".join(f"class {i}: {snapshot.class_names[i]}" for i in found))
    return Wanted(
        [seed for _ in found for seed in seeds],
        [index for index in found for _ in seeds],
        are_named=True,
        columns=len(seeds) if len(found) > 1 else None,
    )


def write_pictures(
    snapshot: Snapshot,
    wanted: Wanted,
    out: Path,
    *,
    style: Style,
    as_grid: bool,
    columns: int | None,
    overwrite: bool,
    watch: Watch,
) -> list[Path]:
    """Make the pictures and write them, as `sample` does; the files' paths.

    Raises: UsageError: a file exists, or the generator lacks what the style asks for.
    """
    batches = wanted.batches(snapshot, style)
    if as_grid:
        picture_format(out)
    targets = [out] if as_grid else [out / name for name in wanted.names()]
    refuse_existing(targets, overwrite)
    out.parent.mkdir(parents=True, exist_ok=True)
    if as_grid:
        save_image(grid(torch.cat(list(batches)), columns=columns), out)
        return targets
    out.mkdir(parents=True, exist_ok=True)
    pictures = (to_pil(pixels) for batch in batches for pixels in to_uint8(batch))
    started = time.monotonic()
    for done, (target, picture) in enumerate(zip(targets, pictures, strict=True), start=1):
        save_image(picture, target)
        watch.progress("sampling", done, len(targets))
    speed = len(targets) / max(time.monotonic() - started, 1e-9)
    watch.note(f"{len(targets):,} pictures, {speed:.1f} a second, files included")
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
    classes: str | None = None,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    device: str = "auto",
    allow_code: bool = False,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Path:
    """A looping film through the latents of `seeds`; with several cells, each walks its own seeds.

    Args:
        seeds: K seeds a cell, cell after cell: `columns * rows * K` in all, K >= 2.
        frames: of the whole loop.
        classes: of a conditional generator, such as "cat" or "cat,dog": the cells have them in
            turn, each one class throughout. None: all classes in turn.
        truncation_psi, truncation_cutoff: as in `Snapshot.sample`.
        allow_code: as in `Snapshot.load`.
    Raises: UsageError: seeds or classes do not fit the cells, `out` exists, or the generator has no
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
    snapshot = Snapshot.load(source, device=device, allow_code=allow_code)
    keys = snapshot.generator.latents(list(seeds)).view(cells, -1, snapshot.generator.z_dim)
    paths = torch.stack(
        [spherical_path(cell, frames) for cell in keys], dim=1
    )  # (frames, cells, z)
    images_of = partial(
        snapshot.images,
        classes=_cell_classes(classes, snapshot.class_names, cells),
        truncation_psi=truncation_psi,
        truncation_cutoff=truncation_cutoff,
    )
    images_of(paths[0])  # makes no picture yet, but refuses what the generator does not have

    def pictures() -> Iterator[Image.Image]:
        for number, z in enumerate(paths, start=1):
            yield grid(torch.cat(list(images_of(z))), columns=columns)
            watch.progress("drawing frames", number, frames)

    out.parent.mkdir(parents=True, exist_ok=True)
    write_film(pictures(), out, fps=fps, overwrite=overwrite)
    return out


def _cell_classes(wanted: str | None, known: Sequence[str], cells: int) -> list[int] | None:
    """A class for each cell of a film; None if there are none."""
    if wanted is None and not known:
        return None
    found = list(range(len(known))) if wanted is None else find_classes(wanted, known)
    if wanted is not None and len(found) > cells:
        raise UsageError(
            f"{len(found)} classes do not fit {cells} cell(s): each shows one",
            where="option --class",
            next_command=f"--columns {len(found)}",
        )
    return [found[cell % len(found)] for cell in range(cells)]


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
