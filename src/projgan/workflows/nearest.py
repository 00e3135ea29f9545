"""The nearest training picture of every sample, and whether a run copies.

Two spaces look for it: lite1's pooled features, which know what is shown, and thumbnails, which
know where it is (`evaluation.thumbnails`). `evaluation.copies` says what counts as a copy.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from projgan import storage
from projgan.config.pictures import DataConfig
from projgan.data.dataset import PreparedSet, is_prepared
from projgan.data.prepare import open_cached
from projgan.errors import DataError, UsageError
from projgan.evaluation.copies import CopyScore, Yardstick
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.neighbours import FeatureSpace
from projgan.evaluation.thumbnails import ThumbnailSpace, thumbnails
from projgan.images import save_image
from projgan.rundir import RunDir
from projgan.snapshot import Snapshot
from projgan.workflows.judge import run_of
from projgan.workflows.pairs import Near, Pair, draw_pairs
from projgan.workflows.report import refresh_report
from projgan.workflows.sides import BATCH, real_batches, sample_batches, spaced
from projgan.workflows.use import refuse_existing
from projgan.workflows.watch import Watch

SAMPLES = 100
"""Samples of a generator, unless told otherwise."""
FOLDER_PX = 128
"""Side at which the pictures of two folders are compared."""


@dataclass(frozen=True)
class NearestResult:
    """What was found.

    Attributes:
        score: share of samples that are copies in either space, 0 to 1.
        scores, thresholds: by space, "lite1" and "thumbnails".
        doubles: training pictures that repeat another one, by thumbnails.
        pairs: every sample with its neighbours, the closest first.
        out: the picture of pairs.
    """

    score: float
    scores: dict[str, float]
    thresholds: dict[str, float]
    num_samples: int
    num_pictures: int
    doubles: int
    pairs: list[Pair]
    out: Path

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return dataclasses.asdict(self) | {"out": str(self.out)}


@dataclass(frozen=True)
class _Samples:
    """Pictures (N, C, H, W) uint8, and what each is called."""

    pixels: Tensor
    names: list[str]


def find_nearest(
    source: str | Path,
    *,
    out: Path | None = None,
    data: str | Path | None = None,
    seeds: Sequence[int] | None = None,
    samples: int | None = None,
    shown: int = 24,
    device: str = "auto",
    allow_code: bool = False,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> NearestResult:
    """Look for copies among the samples of a generator, or the pictures of a folder.

    Args:
        source: a run folder (its newest snapshot), a snapshot, or a folder or zip of samples.
        out: a picture of sample, nearest by lite1, nearest by thumbnail: the closest `shown`. The
            result lies beside it as JSON. By default nearest.png in the run's folder, whose report
            then shows it, and pairs.png here for anything else.
        data: the training pictures; by default those of the run.
        seeds: of the samples, if a generator makes them.
        samples: that many: seeds 0 to samples - 1, or evenly spaced ones of a folder. By default
            100 of a generator and all of a folder.
        allow_code: as in `Snapshot.load`.
    Raises: UsageError: `out` exists, it is not known what the training pictures are, or seeds are
        given for a folder. DataError: pictures are missing or too few.
    """
    watch, source = watch or Watch(), Path(source)
    run, out = _destination(source, out, overwrite)
    if seeds is not None and samples is not None:
        raise UsageError("name seeds or how many samples, not both", where="option --samples")
    if samples is not None and samples < 1:
        raise UsageError("at least 1", where="option --samples")
    if is_generator(source):
        chosen = list(range(samples or SAMPLES)) if seeds is None else list(seeds)
        snapshot = Snapshot.load(source, device=device, allow_code=allow_code)
        pictures = _open(_config_of(source, snapshot, data), watch)
        found = _generated(snapshot, chosen, watch)
    elif seeds is not None:
        raise UsageError("pictures of a folder have no seeds", where="option --seeds")
    elif data is None:
        raise _which_pictures(source)
    else:
        pictures = _open(_beside(data), watch)
        found = _of_folder(source, pictures, samples, watch)
    lite1, thumbs, doubles = _score(found.pixels, pictures, device, watch)
    pairs = _pairs(found, pictures, lite1, thumbs)
    result = _result(pairs, (lite1, thumbs), pictures=len(pictures), doubles=doubles, out=out)
    sheet = draw_pairs(pairs[:shown], found.pixels, pictures, title=in_words(result))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_image(sheet, out)
    storage.write_text(out.with_suffix(".json"), json.dumps(result.as_dict(), indent=1) + "\n")
    if run is not None:
        refresh_report(run, watch.note)
    return result


def _destination(source: Path, out: Path | None, overwrite: bool) -> tuple[RunDir | None, Path]:
    """The run whose report shows the pairs, if there is one, and where they go."""
    if out is None and RunDir(source).config.is_file():
        # What lies in a run is made anew whenever it is asked for, like its chart.
        return RunDir(source), RunDir(source).nearest
    out = out or Path("pairs.png")
    refuse_existing([out, out.with_suffix(".json")], overwrite)
    return None, out


def _result(
    pairs: list[Pair],
    scores: tuple[CopyScore, CopyScore],
    *,
    pictures: int,
    doubles: int,
    out: Path,
) -> NearestResult:
    lite1, thumbs = scores
    return NearestResult(
        score=sum(pair.is_copy for pair in pairs) / len(pairs),
        scores={"lite1": lite1.score, "thumbnails": thumbs.score},
        thresholds={"lite1": lite1.threshold, "thumbnails": thumbs.threshold},
        num_samples=len(pairs),
        num_pictures=pictures,
        doubles=doubles,
        pairs=pairs,
        out=out,
    )


def in_words(result: NearestResult) -> str:
    """The score in a sentence."""
    copies = sum(pair.is_copy for pair in result.pairs)
    what = "copy" if copies == 1 else "copies"
    return (
        f"{copies} {what} among {result.num_samples} samples ({result.score:.0%}), "
        f"compared with {result.num_pictures} training pictures"
    )


def is_generator(source: Path) -> bool:
    """Whether this is the folder of a run or of a snapshot, and not one of pictures."""
    return (source / "snapshot.json").is_file() or RunDir(source).config.is_file()


def _config_of(source: Path, snapshot: Snapshot, data: str | Path | None) -> DataConfig:
    """Where the training pictures of a generator are, and what they became."""
    if data is None:
        run = run_of(source)
        if run is None:
            raise _which_pictures(source)
        data = str(json.loads(run.config.read_text(encoding="utf-8"))["data"]["path"])
    return dataclasses.replace(snapshot.config.data, path=str(data))


def _which_pictures(source: Path) -> UsageError:
    return UsageError(
        "it is not known which pictures to compare with",
        where=str(source),
        next_command=f"projgan nearest {source} --data FOLDER_OF_TRAINING_PICTURES",
    )


def _beside(data: str | Path) -> DataConfig:
    """How to look at training pictures that no run is known of."""
    if is_prepared(Path(data)):
        prepared = PreparedSet.open(Path(data))
        mode = "rgba" if prepared.mode == "rgba" else "grey" if prepared.mode == "grey" else "rgb"
        return DataConfig(path=str(data), resolution=prepared.resolution, mode=mode)  # type: ignore[arg-type]
    return DataConfig(path=str(data), resolution=FOLDER_PX)


def _open(config: DataConfig, watch: Watch) -> PreparedSet:
    return open_cached(config, progress=partial(watch.progress, "preparing pictures"))


def _generated(snapshot: Snapshot, seeds: list[int], watch: Watch) -> _Samples:
    batches = sample_batches(
        snapshot,
        seeds,
        snapshot.classes_of(seeds),
        partial(watch.progress, "sampling"),
    )
    return _Samples(torch.cat(list(batches)), [f"seed {seed}" for seed in seeds])


def _of_folder(source: Path, real: PreparedSet, samples: int | None, watch: Watch) -> _Samples:
    """Pictures of a folder in the size of the training pictures, evenly spaced if too many."""
    config = DataConfig(path=str(source), resolution=real.resolution)
    found = _open(config, watch)
    places = spaced(len(found), samples)
    return _Samples(found.images(places), [found.names[place] for place in places])


def _score(
    fake: Tensor, pictures: PreparedSet, device: str, watch: Watch
) -> tuple[CopyScore, CopyScore, int]:
    """By lite1 and by thumbnails, and how many training pictures are doubles."""
    try:
        small = Yardstick(ThumbnailSpace(thumbnails(_batches(pictures))))
        by_thumbnail = small.score(thumbnails(fake.split(BATCH)))
        extractor = Extractor("lite1")
        if device != "auto":
            extractor = extractor.to(device)
        spaces = [
            extractor.features(_batches(pictures, mirrored=mirrored, watch=watch))
            for mirrored in (False, True)
        ]
        by_lite1 = Yardstick(FeatureSpace(*spaces)).score(extractor.features(fake.split(BATCH)))
    except DataError as error:
        error.where = error.where or str(pictures.folder)
        raise
    return by_lite1, by_thumbnail, small.doubles


def _batches(
    pictures: PreparedSet, *, mirrored: bool = False, watch: Watch | None = None
) -> Iterator[Tensor]:
    label = "looking at mirror images" if mirrored else "looking at training pictures"
    places = spaced(len(pictures), None)
    progress = partial((watch or Watch()).progress, label)
    for images in real_batches(pictures, places, progress):
        yield images.flip(3) if mirrored else images


def _pairs(
    found: _Samples, pictures: PreparedSet, lite1: CopyScore, thumbs: CopyScore
) -> list[Pair]:
    """All samples with their neighbours; the closest, in either space, first."""
    pairs = [
        Pair(
            name,
            place,
            lite1=_near(lite1, place, pictures),
            thumbnails=_near(thumbs, place, pictures),
        )
        for place, name in enumerate(found.names)
    ]
    return sorted(pairs, key=lambda pair: pair.rank)


def _near(score: CopyScore, place: int, pictures: PreparedSet) -> Near:
    index = int(score.nearest[place])
    return Near(
        picture=pictures.names[index],
        index=index,
        is_mirrored=bool(score.is_mirrored[place]),
        distance=round(float(score.distances[place]), 4),
        closeness=round(float(score.closeness[place]), 4),
        threshold=round(score.threshold, 4),
        is_copy=bool(score.is_copy[place]),
    )
