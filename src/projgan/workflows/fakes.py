"""What is evaluated: samples of a run or snapshot, or a folder or zip of pictures from anywhere."""

from __future__ import annotations

import contextlib
import dataclasses
import io
import json
from collections.abc import Callable, Iterator
from pathlib import Path

from PIL import Image
from torch import Tensor

from projgan.config.pictures import DataConfig
from projgan.config.shapes import settle_resolution
from projgan.data.dataset import PreparedSet, is_prepared
from projgan.data.decode import FORMATS
from projgan.data.prepare import open_cached
from projgan.data.report import Unusable
from projgan.data.scan import open_source
from projgan.errors import UsageError
from projgan.rundir import RunDir
from projgan.snapshot import Snapshot, find_snapshot
from projgan.workflows.sides import (
    Progress,
    classes_like,
    real_batches,
    sample_batches,
    spaced,
)

LEAST_SAMPLES, MOST_SAMPLES = 1_000, 10_000
"""How many samples are made by default: as many as there are reals, within these."""
_NO_SIZE = (OSError, ValueError, SyntaxError, Image.DecompressionBombError, Unusable)
"""What looking for a size may end with; whether it is a picture is judged when it is prepared."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Fakes:
    """The pictures to be judged.

    Attributes:
        kind: "run", "snapshot" or "pictures".
        count: how many there are, or will be made.
        batches: makes them: progress -> (b, C, H, W) uint8, batch by batch.
        snapshot: what makes them; None for pictures.
        fingerprint: of pictures; empty for samples.
    """

    kind: str
    count: int
    batches: Callable[[Progress], Iterator[Tensor]]
    snapshot: Snapshot | None = None
    fingerprint: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Subject:
    """What `source` is, before any picture was looked at.

    Attributes:
        snapshot: None if it is pictures.
        pictures: the settings by which reals, and fakes that are pictures, are prepared; their path
            is that of the reals.
        record: where evaluation.json belongs; None for pictures.
    """

    kind: str
    path: Path
    pictures: DataConfig
    snapshot: Snapshot | None = None
    record: Path | None = None


def open_subject(
    source: str | Path, data: str, *, resolution: str, device: str, allow_code: bool
) -> Subject:
    """Find out what is to be judged, and against which reals.

    Args:
        data: folder, zip or prepared set; empty: what the run was trained on.
        resolution: of pictures against pictures; empty: that of a prepared set among them, or of
            the first fake.
    Raises: UsageError: there is no such thing, or no reals are known. CheckpointError: the snapshot
        is damaged.
    """
    path = Path(source)
    if not path.exists():
        raise UsageError("there is no such run, snapshot, folder or zip", where=str(path))
    is_run = RunDir(path).config.is_file()
    if not is_run and not (path / "snapshot.json").is_file():
        return _pictures(path, data, resolution)
    if resolution:
        raise UsageError(
            "samples have the size that their run has",
            where="option --resolution",
            next_command="leave it out; it is for a folder of pictures",
        )
    folder = find_snapshot(path)
    snapshot = Snapshot.load(folder, device=device, allow_code=allow_code)
    run = path if is_run else folder.parent.parent
    reals = data or _trained_on(RunDir(run).config)
    if not reals:
        raise UsageError(
            "which reals? this snapshot does not lie in its run, so nothing says where they are",
            where=str(folder),
            next_command=f"projgan evaluate {source} --data FOLDER_OF_PICTURES",
        )
    return Subject(
        kind="run" if is_run else "snapshot",
        path=path,
        pictures=dataclasses.replace(snapshot.config.data, path=reals),
        snapshot=snapshot,
        # Beside a snapshot, not inside: a snapshot with a foreign file counts as damaged.
        record=path / "evaluation.json" if is_run else folder.with_suffix(".evaluation.json"),
    )


def open_fakes(
    subject: Subject, reals: PreparedSet, samples: int | None, *, seed: int, progress: Progress
) -> Fakes:
    """The fakes, not yet made.

    Args:
        samples: how many; None: all pictures, or as many samples as there are reals, from 1,000 to
            10,000.
        seed: of the first sample.
        progress: of preparing pictures.
    Raises: UsageError: fewer than 2, or more than there are. DataError: pictures that cannot be
        used.
    """
    if samples is not None and samples < 2:
        raise UsageError(f"{samples} fakes are too few; at least 2", where="option --samples")
    if subject.snapshot is None:
        return _picture_fakes(subject, samples, progress)
    snapshot = subject.snapshot
    count = samples or min(max(len(reals), LEAST_SAMPLES), MOST_SAMPLES)
    seeds = range(seed, seed + count)
    classes = snapshot.classes_of(seeds)
    if snapshot.class_names and tuple(reals.class_names or ()) == snapshot.class_names:
        classes = classes_like(reals, spaced(len(reals), None), count)
    return Fakes(
        kind=subject.kind,
        count=count,
        batches=lambda progress: sample_batches(snapshot, seeds, classes, progress),
        snapshot=snapshot,
    )


def _picture_fakes(subject: Subject, samples: int | None, progress: Progress) -> Fakes:
    config = dataclasses.replace(subject.pictures, path=str(subject.path))
    pictures = open_cached(config, progress=progress)
    if samples is not None and samples > len(pictures):
        raise UsageError(
            f"there are only {len(pictures)} pictures to choose {samples} from",
            where="option --samples",
        )
    places = spaced(len(pictures), samples)
    return Fakes(
        kind=subject.kind,
        count=len(places),
        batches=lambda progress: real_batches(pictures, places, progress),
        fingerprint=pictures.fingerprint,
    )


def _pictures(path: Path, data: str, resolution: str) -> Subject:
    if not data:
        raise UsageError(
            "which reals? pictures are compared with others",
            where=str(path),
            next_command=f"projgan evaluate {path} --data FOLDER_OF_PICTURES",
        )
    config = DataConfig(path=data)
    prepared = next((p for p in (Path(data), path) if is_prepared(p)), None)
    if resolution:
        config = dataclasses.replace(config, resolution=settle_resolution(resolution))
    elif prepared is not None:
        known = PreparedSet.open(prepared)
        config = DataConfig(path=data, resolution=known.resolution, mode=known.mode)  # type: ignore[arg-type]
    else:
        config = dataclasses.replace(config, resolution=_first_size(path) or config.resolution)
    return Subject(kind="pictures", path=path, pictures=config)


def _first_size(path: Path) -> int | str | None:
    """The resolution of the first picture, if it is one that pictures can be prepared at."""
    with contextlib.closing(open_source(str(path))) as source:
        for entry in source.listing.entries[:1]:
            with contextlib.suppress(*_NO_SIZE):
                data = io.BytesIO(source.read(entry.name))
                with Image.open(data, formats=FORMATS) as image:
                    return settle_resolution(f"{image.width}x{image.height}")
    return None


def _trained_on(config: Path) -> str:
    """The pictures of a run; empty if there is no run."""
    try:
        return str(json.loads(config.read_text(encoding="utf-8"))["data"]["path"])
    except (OSError, ValueError, KeyError, TypeError):
        return ""
