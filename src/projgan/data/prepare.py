"""From a folder or zip of pictures to a prepared set: once, whole or not at all.

The source is only read. Where prepared sets of training runs are kept is a matter of `data.cache`.
"""

from __future__ import annotations

import contextlib
import math
import os
import shlex
import shutil
from pathlib import Path

from projgan.config.pictures import DataConfig
from projgan.data.cache import Cache, default_cache, listing_key
from projgan.data.dataset import PIXELS_NAME, Meta, PreparedSet, is_prepared, write_meta
from projgan.data.decode import RULES_VERSION, Rules
from projgan.data.judge import Progress, Verdict, judge_all
from projgan.data.labels import Labels, labels_from_file, labels_from_folders
from projgan.data.publish import new_folder, publish
from projgan.data.report import Report
from projgan.data.scan import open_source
from projgan.data.source import Source
from projgan.errors import DataError, ResourceError, UsageError, printable

BAD_SHOWN = 3


def prepare(
    config: DataConfig, out: Path, *, progress: Progress | None = None, workers: int = 2
) -> PreparedSet:
    """Prepare the pictures of `config.path` into the new folder `out`.

    Args:
        config: which pictures, and what becomes of them. `mirror` does not matter here.
        out: must not exist; an interrupted or failed preparation leaves nothing there.
        progress: called with (pictures done, pictures in all).
        workers: threads that decode.
    Raises: UsageError: if `out` exists or lies inside the source. DataError: if there are no
        pictures, or more bad ones than `config.max_bad` allows. RefusedError: for a hostile zip.
        ResourceError: if the disk is full or refuses to write.
    """
    out = Path(out)
    if out.exists() or out.is_symlink():
        raise UsageError(
            "the output exists already",
            where=str(out),
            safe="nothing was changed",
            next_command="choose another name, or add --overwrite to move it aside",
        )
    if is_prepared(Path(config.path)):
        raise UsageError("these pictures are prepared already", where=config.path)
    with contextlib.closing(open_source(config.path)) as source:
        require_outside(out, source.path)
        with new_folder(out.parent, out.name) as folder:
            _build(folder, source, config, progress, workers)
            publish(folder, out)
    return PreparedSet.open(out)


def check(config: DataConfig, *, progress: Progress | None = None, workers: int = 2) -> Report:
    """Judge every picture as `prepare` would, and write nothing.

    Raises: as `prepare`, except that any number of bad pictures is only reported.
    """
    with contextlib.closing(open_source(config.path)) as source:
        verdict = Verdict()
        if source.listing.has_labels:
            labels_from_file(source)
        stream = judge_all(source, _rules(config), workers=workers, progress=progress)
        with contextlib.closing(stream):
            for judged in stream:
                verdict.add(judged, dedupe=config.dedupe)
        return verdict.report(source)


def judged_hashes(
    config: DataConfig, *, progress: Progress | None = None, workers: int = 2
) -> dict[str, str]:
    """Name -> SHA-256 of the pictures that `prepare` would use now; nothing is written.

    Raises: as `check`.
    """
    with contextlib.closing(open_source(config.path)) as source:
        verdict = Verdict()
        stream = judge_all(source, _rules(config), workers=workers, progress=progress)
        with contextlib.closing(stream):
            for judged in stream:
                verdict.add(judged, dedupe=config.dedupe)
        return dict(zip(verdict.names, verdict.hashes, strict=True))


def open_cached(
    config: DataConfig,
    *,
    cache: Path | None = None,
    progress: Progress | None = None,
    fingerprint: str = "",
    workers: int = 2,
) -> PreparedSet:
    """The pictures of `config.path`, ready for training; the user's cache keeps them prepared.

    Args:
        config: its path may also be a prepared set, which is opened as it is.
        cache: another folder than `data.cache.default_cache()`.
        progress: called with (pictures done, pictures in all) when something has to be prepared.
        fingerprint: of a set that will do if the source has gone and the cache still holds it.
        workers: threads that decode.
    Raises: as `prepare`; and DataError: if a prepared set has another size or mode.
    """
    path = Path(config.path)
    if config.path and is_prepared(path):
        return _open_prepared(path, config)
    kept = Cache(cache or default_cache())
    if config.path and not path.exists() and (known := kept.find(fingerprint)) is not None:
        return known
    with contextlib.closing(open_source(config.path)) as source:
        key = listing_key(source, config)
        prepared = kept.lookup(key)
        if prepared is None:
            require_outside(kept.root, source.path)
            with new_folder(kept.sets, key) as folder:
                report = _build(folder, source, config, progress, workers)
                prepared = kept.keep(folder, key, report)
    _require_good(prepared.report, config)
    return prepared


def require_outside(target: Path, pictures: Path) -> None:
    """Raise `UsageError` if `target` lies in the folder `pictures`, which is never written to."""
    if pictures.is_dir() and target.resolve().is_relative_to(pictures.resolve()):
        raise UsageError(
            "this would write into the folder of pictures, which stays as it is",
            where=str(target),
            next_command="choose a place outside it (for the cache: set PROJGAN_CACHE)",
        )


def _rules(config: DataConfig) -> Rules:
    red, green, blue = bytes.fromhex(config.background[1:])
    return Rules(config.resolution, config.fit, (red, green, blue), config.mode)


def _build(
    folder: Path, source: Source, config: DataConfig, progress: Progress | None, workers: int
) -> Report:
    """Write a whole prepared set into the empty `folder`, and see it onto the disk."""
    labels = labels_from_file(source) if source.listing.has_labels else None
    picture_bytes = math.prod((*config.size, config.channels))
    _require_space(folder, len(source.listing.entries) * picture_bytes)
    verdict = Verdict()
    stream = judge_all(source, _rules(config), workers=workers, progress=progress)
    with (folder / PIXELS_NAME).open("wb") as pixels, contextlib.closing(stream):
        for judged in stream:
            if verdict.add(judged, dedupe=config.dedupe) and judged.picture is not None:
                pixels.write(judged.picture.pixels.data)
        pixels.flush()
        os.fsync(pixels.fileno())
    report = verdict.report(source)
    _require_good(report, config)
    if not source.listing.has_labels:
        labels = labels_from_folders(verdict.names)
    write_meta(folder, _meta(config, verdict, labels), report)
    return report


def _meta(config: DataConfig, verdict: Verdict, labels: Labels | None) -> Meta:
    return Meta(
        resolution=config.resolution,
        fit=config.fit,
        background=config.background.lower(),
        rules_version=RULES_VERSION,
        names=verdict.names,
        hashes=verdict.hashes,
        labels=None if labels is None else [labels.of[name] for name in verdict.names],
        class_names=None if labels is None else list(labels.class_names),
        mode=config.mode,
    )


def _open_prepared(path: Path, config: DataConfig) -> PreparedSet:
    prepared = PreparedSet.open(path)
    if (prepared.resolution, prepared.mode) != (config.resolution, config.mode):
        mode = f" --mode {prepared.mode}" if prepared.mode != config.mode else ""
        raise DataError(
            f"this prepared set has {prepared.description}, not {config.description}",
            where=str(path),
            next_command=f"use --resolution {prepared.resolution}{mode}, "
            "or name the original pictures",
        )
    return prepared


def _require_space(folder: Path, bytes_needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if free < bytes_needed:
        raise ResourceError(
            f"the pixels take {bytes_needed / 1e6:.0f} MB, and only {free / 1e6:.0f} MB are free",
            where=str(folder.parent),
            safe="nothing was written",
            next_command="make room, or choose a smaller --resolution",
        )


def _require_good(report: Report, config: DataConfig) -> None:
    """Raise `DataError` if too many pictures are bad, naming the first few."""
    if report.used and report.bad_share <= config.max_bad:
        return
    bad = len(report.rejected)
    lines = [
        f"{bad} of {report.found} pictures cannot be used; allowed: {config.max_bad:.3g} of them"
    ]
    if report.used:
        allow = min(1.0, int(report.bad_share * 1000 + 1) / 1000)
        lines[0] += f" (--max-bad {allow:g} would go on without them)"
    shown = list(report.rejected.items())[:BAD_SHOWN]
    lines += [f"{printable(name)}: {printable(reason)}" for name, reason in shown]
    raise DataError(
        "\n".join(lines),
        where=config.path,
        next_command=f"projgan prepare {shlex.quote(config.path)} --dry-run --json    (lists all)",
    )
