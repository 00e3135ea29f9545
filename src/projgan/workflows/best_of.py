"""Pictures from a trained generator, each the best of several by the run's own discriminator."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from projgan.layers.noise import NoiseMode
from projgan.sampling.best import candidate_seeds
from projgan.snapshot import Snapshot
from projgan.workflows.judge import Judge, open_judge
from projgan.workflows.use import Style, Wanted, list_pictures, write_pictures
from projgan.workflows.watch import Watch


@dataclass(frozen=True)
class Kept:
    """One picture that won.

    Attributes:
        asked: the seed that was asked for, which stood for all its candidates.
        seed: the one that won; alone it gives the picture again.
        class_index: of a conditional generator.
        logit: the mean verdict on it; above 0 for "looks real".
        mean_logit: of all candidates, this one among them.
    """

    asked: int
    seed: int
    class_index: int | None
    logit: float
    mean_logit: float

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return dataclasses.asdict(self)


@dataclass(frozen=True)
class BestOf:
    """What `sample_best` made.

    Attributes:
        files: a PNG for each of `kept`, or one grid.
        kept: in the order of the seeds, class after class.
        judge: the checkpoint whose heads chose.
        judge_images: how many images it had seen.
    """

    files: list[Path]
    kept: list[Kept]
    judge: str
    judge_images: int


def sample_best(
    source: str | Path,
    *,
    seeds: Sequence[int],
    best_of: int,
    out: Path,
    classes: str | None = None,
    as_grid: bool = False,
    columns: int | None = None,
    truncation_psi: float | None = None,
    truncation_cutoff: int | None = None,
    noise: NoiseMode | None = None,
    device: str = "auto",
    allow_code: bool = False,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> BestOf:
    """As `workflows.use.sample`, but `best_of` seeds compete for every picture.

    The one with the best mean logit is kept (`sampling.best` says which seeds compete); files are
    named after it.

    Args:
        source: a run folder, or a snapshot folder inside one: the heads lie in its checkpoints.
        best_of: at least 2.
    Raises: UsageError: no checkpoint, or as `sample`.
    """
    watch = watch or Watch()
    candidate_seeds(seeds, best_of)  # refuses before anything is opened
    snapshot = Snapshot.load(source, device=device, allow_code=allow_code)
    wanted = list_pictures(snapshot, seeds, classes=classes, watch=watch)
    style = Style(truncation_psi, truncation_cutoff, noise)
    device_used = next(snapshot.generator.parameters()).device
    judge = open_judge(Path(source), device=device_used, watch=watch)
    watch.note(f"chosen by the heads of {judge.name} ({judge.images_seen:,} images)")
    kept = choose(snapshot, judge, wanted, best_of=best_of, style=style, watch=watch)
    files = write_pictures(
        snapshot,
        dataclasses.replace(wanted, seeds=[one.seed for one in kept]),
        out,
        style=style,
        as_grid=as_grid,
        columns=columns or wanted.columns,
        overwrite=overwrite,
        watch=watch,
    )
    return BestOf(files, kept, judge.name, judge.images_seen)


def choose(
    snapshot: Snapshot,
    judge: Judge,
    wanted: Wanted,
    *,
    best_of: int,
    style: Style | None = None,
    watch: Watch | None = None,
) -> list[Kept]:
    """For each wanted picture the best of its candidates; pictures are made, and let go again."""
    style, watch = style or Style(), watch or Watch()
    groups = candidate_seeds(wanted.seeds, best_of, num_classes=len(snapshot.class_names))
    kept = []
    for place, (asked, group) in enumerate(zip(wanted.seeds, groups, strict=True)):
        index = None if wanted.classes is None else wanted.classes[place]
        batches = style.images(snapshot, snapshot.generator.latents(group), index)
        logits = torch.cat(
            [
                judge(images, None if index is None else torch.full((len(images),), index))
                for images in batches
            ]
        )
        best = int(logits.argmax())
        logit, mean = round(float(logits[best]), 4), round(float(logits.mean()), 4)
        kept.append(Kept(asked, group[best], index, logit, mean))
        watch.progress("choosing", place + 1, len(groups))
    return kept
