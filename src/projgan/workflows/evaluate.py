"""How good samples are: every figure with what it looked through, and with what reals have."""

from __future__ import annotations

import contextlib
import dataclasses
import json
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from projgan import __version__
from projgan.build import choose_device
from projgan.data.cache import default_cache
from projgan.data.dataset import PreparedSet
from projgan.data.prepare import open_cached
from projgan.errors import ResourceError, UsageError
from projgan.evaluation.bootstrap import interval_of_mean
from projgan.evaluation.extractors import Extractor
from projgan.evaluation.feature_cache import FeatureCache, features_key
from projgan.evaluation.figures import (
    DEFAULT_METRICS,
    Figure,
    figures,
    require_enough,
    settle_metrics,
)
from projgan.evaluation.inception import download_inception
from projgan.evaluation.meaning import judge, meaning, why_judge
from projgan.evaluation.networks import INCEPTION, LITE, TIMM_NETWORKS, known_extractors
from projgan.evaluation.path_length import STEP, path_length
from projgan.features.fetch import fetch_weights
from projgan.features.weight_files import DEFAULT
from projgan.rng import torch_stream
from projgan.snapshot import Snapshot
from projgan.storage import write_text
from projgan.workflows.fakes import Fakes, Subject, open_fakes, open_subject
from projgan.workflows.sides import BATCH, real_batches, spaced
from projgan.workflows.watch import Watch

ARCS = 200
"""Walks between two latents that a path length is the mean of."""


@dataclasses.dataclass(frozen=True)
class Look:
    """All figures through one extractor.

    Attributes:
        extractor: its name.
        description: network, features, size and resize rule, in words.
    """

    extractor: str
    description: str
    figures: tuple[Figure, ...]


@dataclasses.dataclass(frozen=True, kw_only=True)
class Evaluation:
    """The result of `evaluate`.

    Attributes:
        source: what was judged, as it was named.
        kind: "run", "snapshot" or "pictures".
        images_seen: of the snapshot; None for pictures.
        reals: the folder, zip or set of reals, by its last name.
        fingerprint: of their content.
        num_reals, num_fakes: how many pictures each side has.
        pictures: their size, mode and fit, in words.
        looks: the figures, by extractor.
        notes: sentences that the reader should know.
        out: the file with all this; None if none was written.
    """

    source: str
    kind: str
    images_seen: int | None
    reals: str
    fingerprint: str
    num_reals: int
    num_fakes: int
    pictures: str
    looks: tuple[Look, ...]
    notes: tuple[str, ...]
    out: Path | None = None

    @property
    def judge(self) -> str:
        """The name of the figure to go by, over the first extractor that has it; may be empty."""
        wanted = judge(self.num_reals, self.num_fakes)
        names = [f.name for look in self.looks for f in look.figures if f.metric == wanted]
        return names[0] if names else ""

    def as_dict(self) -> dict[str, Any]:
        """For evaluation.json and `--json`: of paths, only last names."""
        values = {f.name: getattr(self, f.name) for f in dataclasses.fields(self)}
        del values["out"], values["looks"]
        looks = [
            {
                "extractor": look.extractor,
                "description": look.description,
                "figures": [_figure_dict(figure) for figure in look.figures],
            }
            for look in self.looks
        ]
        head = {"format": "projgan evaluation", "schema_version": 1, "projgan": __version__}
        source = Path(self.source).name
        return head | values | {"source": source, "judge": self.judge, "extractors": looks}


def _figure_dict(figure: Figure) -> dict[str, Any]:
    values = {f.name: getattr(figure, f.name) for f in dataclasses.fields(figure)}
    return {key: value for key, value in values.items() if key != "why"} | {
        "meaning": meaning(figure)
    }


def evaluate(
    source: str | Path,
    *,
    data: str | Path = "",
    extractors: Iterable[str] = ("lite1",),
    weights: Mapping[str, str | Path] | None = None,
    download: bool = False,
    metrics: Iterable[str] | None = None,
    samples: int | None = None,
    resolution: str = "",
    seed: int = 0,
    device: str = "auto",
    threads: int | None = None,
    allow_code: bool = False,
    out: str | Path | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Evaluation:
    """Compare the samples of a run or snapshot, or pictures, with reals.

    The features of the reals are kept in the user's cache. The result is written beside a run or
    snapshot, in place of an earlier one; for pictures only if `out` says where.

    Args:
        source: a run folder (its newest snapshot), a snapshot, or a folder or zip of pictures.
        data: the reals; by default those that the run was trained on.
        extractors: of `evaluation.networks.known_extractors()`.
        weights: extractor -> file with its weights.
        download: fetch weights that are not here; else nothing uses the network.
        metrics: of `evaluation.figures.METRICS`, or "all"; None: all but "ppl". One that is asked
            for by name must be computable.
        samples, resolution: as in `workflows.fakes`.
        seed: of the first sample, of the subsets and of the bootstrap.
        threads: of the CPU; None: as they are. They are put back afterwards.
        out: the file to write; it must not exist unless `overwrite`.
    Raises: UsageError: unknown names, no reals, a file that exists. DataError: pictures that are
        missing or too few. CheckpointError: damage. ResourceError: no weights here, no such device.
        HubError: a download failed.
    """
    watch, place = watch or Watch(), choose_device(device)
    _refuse_existing(out, overwrite)
    with _threads(threads):
        looks = _open_extractors(extractors, weights or {}, download, watch)
        subject = open_subject(
            source, str(data), resolution=resolution, device=str(place), allow_code=allow_code
        )
        result = _judge(subject, looks, metrics, samples, seed=seed, device=place, watch=watch)
    return _write(result, subject, None if out is None else Path(out), watch)


def _judge(
    subject: Subject,
    extractors: list[Extractor],
    metrics: Iterable[str] | None,
    samples: int | None,
    *,
    seed: int,
    device: torch.device,
    watch: Watch,
) -> Evaluation:
    """The result, not yet written."""
    names = DEFAULT_METRICS if metrics is None else tuple(metrics)
    wanted = settle_metrics(names)

    def preparing(done: int, total: int) -> None:
        watch.progress("preparing pictures", done, total)

    reals = open_cached(subject.pictures, progress=preparing)
    fakes = open_fakes(subject, reals, samples, seed=seed, progress=preparing)
    if metrics is not None and "all" not in names:
        require_enough(wanted, len(reals), fakes.count)
    found = _measure(extractors, reals, fakes, wanted, seed=seed, device=device, watch=watch)
    return Evaluation(
        source=str(subject.path),
        kind=fakes.kind,
        images_seen=None if fakes.snapshot is None else fakes.snapshot.images_seen,
        reals=Path(subject.pictures.path).name,
        fingerprint=reals.fingerprint,
        num_reals=len(reals),
        num_fakes=fakes.count,
        pictures=f"{reals.description}, fit {subject.pictures.fit}",
        looks=tuple(found),
        notes=tuple(_notes(reals, fakes, wanted)),
    )


def _refuse_existing(out: str | Path | None, overwrite: bool) -> None:
    if out is not None and Path(out).exists() and not overwrite:
        raise UsageError(
            "the output exists already",
            where=str(out),
            safe="nothing was changed",
            next_command="choose another --out, or add --overwrite to replace it",
        )


def _open_extractors(
    names: Iterable[str], weights: Mapping[str, str | Path], download: bool, watch: Watch
) -> list[Extractor]:
    wanted = list(dict.fromkeys(names))
    if not wanted:
        raise UsageError("no extractor given", next_command="--extractor lite1")
    foreign = [name for name in weights if name not in wanted]
    if foreign:
        raise UsageError(
            f"weights for {foreign[0]}, which is not among the extractors: {', '.join(wanted)}",
            where="option --weights",
            next_command=f"add --extractor {foreign[0]}"
            if foreign[0] in known_extractors()
            else f"--weights {wanted[0]}=FILE",
        )
    found = []
    for name in wanted:
        if download and name not in weights and name not in LITE:
            watch.note(f"fetching the weights of {name}, if they are not here")
            _download(name)
        found.append(Extractor(name, weights=weights.get(name, DEFAULT)))
    return found


def _download(name: str) -> None:
    if name == INCEPTION:
        download_inception()
    elif name in TIMM_NETWORKS:
        fetch_weights(TIMM_NETWORKS[name].timm_name)


def _measure(
    extractors: list[Extractor],
    reals: PreparedSet,
    fakes: Fakes,
    metrics: tuple[str, ...],
    *,
    seed: int,
    device: torch.device,
    watch: Watch,
) -> list[Look]:
    """Features of both sides, then the figures; samples are made once for all extractors."""
    for extractor in extractors:
        extractor.to(device)
    real = [_real_features(extractor, reals, watch) for extractor in extractors]
    rows: list[list[Tensor]] = [[] for _ in extractors]
    for batch in fakes.batches(lambda done, total: watch.progress("looking at fakes", done, total)):
        on_device = batch.to(device)
        for own, extractor in zip(rows, extractors, strict=True):
            own.append(extractor(on_device).cpu())
    looks = []
    for done, extractor in enumerate(extractors):
        watch.progress("computing figures", done, len(extractors))
        found = figures(extractor, real[done], torch.cat(rows[done]), metrics, seed=seed)
        if "ppl" in metrics:
            found.append(_path_length(extractor, fakes.snapshot, seed=seed, device=device))
        looks.append(Look(extractor.name, extractor.description, tuple(found)))
    watch.progress("computing figures", len(extractors), len(extractors))
    return looks


def _real_features(extractor: Extractor, reals: PreparedSet, watch: Watch) -> Tensor:
    places = spaced(len(reals), None)
    label = f"looking at reals ({extractor.name})"

    def compute() -> Tensor:
        batches = real_batches(
            reals, places, lambda done, total: watch.progress(label, done, total)
        )
        return extractor.features(batches)

    key = features_key(reals.fingerprint, places.tolist(), extractor.identity)
    cache = FeatureCache(default_cache(), note=watch.note)
    return cache.get(key, (len(reals), extractor.num_features), compute)


def _path_length(
    extractor: Extractor, snapshot: Snapshot | None, *, seed: int, device: torch.device
) -> Figure:
    name = extractor.metric_name("ppl")
    if snapshot is None:
        return Figure(metric="ppl", name=name, why="pictures have no latents to walk between")
    if not extractor.trunk.is_smooth:
        why = f"{extractor.name} sees whole levels, and no finer differences"
        return Figure(metric="ppl", name=name, why=why)
    generator = snapshot.generator
    ends = generator.latents(range(seed, seed + 2 * ARCS)).split(ARCS)
    at = torch.rand(ARCS, generator=torch_stream(seed, "places on arcs")) * (1 - STEP)
    # Both ends of a step have one class.
    classes = snapshot.classes_of([place for place in range(ARCS) for _ in (0, 1)])

    def features_of(latents: Tensor) -> Tensor:
        pictures = snapshot.images(latents, classes=classes, batch=BATCH)
        return torch.cat([extractor.unrounded(batch.to(device)).cpu() for batch in pictures])

    speeds = path_length(ends[0], ends[1], at, features_of)
    return Figure(
        metric="ppl", name=name, value=float(speeds.mean()), interval=interval_of_mean(speeds)
    )


def _notes(reals: PreparedSet, fakes: Fakes, metrics: tuple[str, ...]) -> Iterator[str]:
    if {"kid", "fd"} & set(metrics):
        yield why_judge(len(reals), fakes.count)
    if fakes.fingerprint == reals.fingerprint:
        yield "fakes and reals are the very same pictures"


def _write(result: Evaluation, subject: Subject, out: Path | None, watch: Watch) -> Evaluation:
    """The result with the file that it was written to."""
    target = out or subject.record
    if target is None:
        return result
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result.as_dict(), indent=1)
    try:
        write_text(target, text + "\n")
    except ResourceError as error:
        if out is not None:
            raise
        watch.note(f"{target.name} was not written: {error.what}")
        return result
    return dataclasses.replace(result, out=target)


@contextlib.contextmanager
def _threads(count: int | None) -> Iterator[None]:
    before = torch.get_num_threads()
    if count is not None and count < 1:
        raise UsageError(f"{count} threads", where="option --threads", next_command="--threads 1")
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
