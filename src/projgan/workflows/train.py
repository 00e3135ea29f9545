"""From a folder of pictures to a trained generator; and on from where it stopped."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Mapping
from pathlib import Path

import torch

from projgan import storage
from projgan.build import settle
from projgan.config.effect import without_effect
from projgan.config.load import (
    RESUME_MAY_CHANGE,
    differences,
    from_dict,
    load_config,
    override,
    to_json,
)
from projgan.config.networks import DEFAULT_WEIGHTS, RANDOM_WEIGHTS
from projgan.config.presets import DEFAULT_PRESET
from projgan.config.schema import RunConfig
from projgan.data.classes import count_in_words, settle_classes
from projgan.data.dataset import PreparedSet, compare
from projgan.data.prepare import open_cached
from projgan.errors import DataError, UsageError
from projgan.generators.plugin import admit
from projgan.processes import is_follower
from projgan.rundir import RunDir
from projgan.training.checkpoint import Checkpoint, find_latest, restore
from projgan.training.history import append_line
from projgan.training.state import new_state
from projgan.workflows.crew import follow, require_divisible
from projgan.workflows.fitting import fit_to_memory
from projgan.workflows.recorder import Metric
from projgan.workflows.services import require_packages
from projgan.workflows.shortage import say_micro_batch
from projgan.workflows.sitting import TrainResult, lead
from projgan.workflows.start import begin_from, find_source
from projgan.workflows.watch import Watch

_RESIDENT_SHARE = 0.25
"""Share of a CUDA device's free memory that the pictures may take."""


def plan(
    data: str | Path,
    *,
    preset: str = "",
    config_file: Path | None = None,
    options: Mapping[str, str] | None = None,
) -> RunConfig:
    """The settled config of a run on `data`: what `train` would use and save.

    For a conditional run the pictures are prepared, if they are not yet: they have the classes.
    """
    config = _plan(data, preset=preset, config_file=config_file, options=options)
    if config.data.conditional:
        config = _settle_by_pictures(config, open_cached(config.data), Watch())
    return fit_to_memory(config, Watch())


def _plan(
    data: str | Path,
    *,
    preset: str,
    config_file: Path | None,
    options: Mapping[str, str] | None,
) -> RunConfig:
    """The settled config but for classes."""
    preset = preset or ("" if config_file else DEFAULT_PRESET)
    config = load_config(preset=preset, file=config_file, options=options)
    section = dataclasses.replace(config.data, path=str(Path(data).resolve()))
    files = tuple(
        file if file in (DEFAULT_WEIGHTS, RANDOM_WEIGHTS) else str(Path(file).resolve())
        for file in config.features.weights
    )
    features = dataclasses.replace(config.features, weights=files)
    source = str(Path(config.transfer.source).resolve()) if config.transfer.source else ""
    transfer = dataclasses.replace(config.transfer, source=source)
    config = dataclasses.replace(config, data=section, features=features, transfer=transfer)
    return settle(config)


def train(
    data: str | Path,
    *,
    preset: str = "",
    out: str | Path | None = None,
    images: int | None = None,
    options: Mapping[str, str] | None = None,
    config_file: Path | None = None,
    start_from: str | Path | None = None,
    allow_code: bool = False,
    overwrite: bool = False,
    until: int | None = None,
    metric: Metric | None = None,
    watch: Watch | None = None,
) -> TrainResult:
    """Train a generator on the pictures of `data`.

    Args:
        data: a folder, a zip or a prepared set; only read.
        preset: where the settings start; few-shot-256 by default.
        out: the run folder; `runs/NAME` by default.
        images: length of the run in images seen.
        options: `section.field` -> value, over preset and file.
        config_file: YAML or JSON, over the preset.
        start_from: a run, checkpoint or snapshot whose weights the networks start with.
        allow_code: import the module of a generator from outside (`module:Name`) although only
            `config_file` names it; one that `options` name may be imported anyway.
        overwrite: move an existing run aside instead of refusing.
        until: pause after so many images, with a checkpoint; the length of the run stays.
        metric: measured on the averaged generator at every sample grid.
        watch: is told what happens.
    Returns: what came of it, after the last image.
    Raises: StoppedBySignal: after Ctrl-C or SIGTERM, with everything saved. Otherwise errors of
        `projgan.errors`. Sets torch's number of CPU threads.
    """
    watch = watch or Watch()
    short = {"training.images": images, "transfer.source": start_from}
    given = {key: str(value) for key, value in short.items() if value is not None}
    chosen = {**(options or {}), **given}
    config = _plan(data, preset=preset, config_file=config_file, options=chosen)
    run = RunDir(Path(out) if out else Path("runs") / run_name(data))
    is_allowed = allow_code or "generator.name" in chosen
    if is_follower():
        return _follow(run, config, is_allowed)
    for sentence in without_effect(config, chosen):
        watch.note(sentence)
    if run.root.exists() and not overwrite:
        run.create()  # refuses before the pictures are prepared
    admit(config.generator.name, allow_code=is_allowed)
    require_divisible(config)
    require_packages(config.tracking.trackers)
    config, source = find_source(config)
    pictures = _open_pictures(config, watch)
    config = fit_to_memory(_settle_by_pictures(config, pictures, watch), watch)
    state = new_state(config)  # whatever cannot be built leaves no run folder behind
    transfer = begin_from(state, config, source, watch)
    run.create(overwrite=overwrite)
    with run.locked(new=True):
        storage.write_text(run.config, to_json(config))
        return lead(run, config, pictures, state, transfer, until=until, metric=metric, watch=watch)


def resume(
    path: str | Path,
    *,
    options: Mapping[str, str] | None = None,
    accept_data_change: bool = False,
    until: int | None = None,
    allow_code: bool = False,
    metric: Metric | None = None,
    watch: Watch | None = None,
) -> TrainResult:
    """Go on with a run, exactly as if it had never stopped (same machine, versions and threads).

    Args:
        path: the run folder.
        options: settings that may change without changing a step (`config.load.RESUME_MAY_CHANGE`).
        accept_data_change: go on although the pictures are not the ones of the checkpoint.
        until: as in `train`.
        allow_code: as in `Snapshot.load`.
    Raises: UsageError: another setting differs. DataError: the pictures changed. CheckpointError:
        no checkpoint is whole. RefusedError: its generator needs a module that was not imported.
    """
    watch = watch or Watch()
    run = RunDir(Path(path))
    run.require()
    if is_follower():
        return _follow(run, settle(override(_read_config(run), options or {})), allow_code)
    with run.locked():
        for folder in (run.root, run.checkpoints, run.snapshots):
            for name in storage.sweep(folder):
                watch.note(f"removed {name}, left by an interrupted save")
        for folder in (run.best, run.best_checkpoint):
            storage.finish_replacement(folder)
        saved = _read_config(run)
        checkpoint, problems = find_latest(run.checkpoints)
        for problem in problems:
            watch.note(f"{problem}; using the one before it")
        config = settle(override(saved, options or {}))
        _refuse_changes(checkpoint.config if checkpoint else saved, config, run)
        admit(config.generator.name, allow_code=allow_code, where=str(run.root))
        require_divisible(config)
        require_packages(config.tracking.trackers)
        pictures = _open_pictures(config, watch, checkpoint)
        config = _settle_by_pictures(config, pictures, watch)
        if checkpoint is None:
            watch.note("no checkpoint yet: starting from the first image, which gives the same run")
        else:
            _compare_pictures(
                checkpoint, pictures, run, config.data.path, accept_data_change, watch
            )
        state, transfer = new_state(config), None
        if checkpoint is not None:
            restore(checkpoint, state)
        else:
            transfer = begin_from(state, config, find_source(config)[1], watch)
        if config != saved:
            storage.write_text(run.config, to_json(config))
        if checkpoint is not None:
            say_micro_batch(run, checkpoint, config, watch)
        return lead(run, config, pictures, state, transfer, until=until, metric=metric, watch=watch)


def _follow(run: RunDir, config: RunConfig, allow_code: bool) -> TrainResult:
    """Of several processes, all but the main one."""
    followed = follow(config.training.device, allow_code=allow_code)
    return TrainResult.of_follower(run.root, followed)


def run_name(data: str | Path) -> str:
    """A folder name from the name of the pictures' folder or file."""
    stem = Path(data).resolve().stem
    return re.sub(r"[^\w.-]+", "-", stem).strip("-.") or "run"


def _open_pictures(
    config: RunConfig, watch: Watch, checkpoint: Checkpoint | None = None
) -> PreparedSet:
    """The prepared pictures, on the device where they fit; says what was left out."""
    fingerprint = checkpoint.counters["fingerprint"] if checkpoint else ""
    pictures = open_cached(
        config.data,
        fingerprint=fingerprint,
        progress=lambda done, total: watch.progress("preparing pictures", done, total),
    )
    for sentence in pictures.report.sentences(pictures.mode):
        watch.note(sentence)
    if len(pictures) < config.training.batch:
        watch.note(
            f"only {len(pictures)} picture(s) for a batch of {config.training.batch}: "
            "the generator will memorise them"
        )
    device = torch.device(config.training.device)
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        pictures.on_device(device, int(free * _RESIDENT_SHARE))
    return pictures


def _settle_by_pictures(config: RunConfig, pictures: PreparedSet, watch: Watch) -> RunConfig:
    """The config with what follows from the pictures: how to measure, and their classes, if any.

    Raises: UsageError: there are not two classes. DataError: the config has others.
    """
    config = dataclasses.replace(config, metrics=config.metrics.settled(len(pictures)))
    if not config.data.conditional:
        return config
    config = dataclasses.replace(config, data=settle_classes(config.data, pictures))
    watch.note(count_in_words(pictures))
    return config


def _read_config(run: RunDir) -> RunConfig:
    try:
        return from_dict(json.loads(run.config.read_text(encoding="utf-8")))
    except (OSError, UnicodeError, json.JSONDecodeError) as error:
        raise UsageError(f"its config cannot be read: {error}", where=str(run.config)) from error


def _refuse_changes(old: RunConfig, new: RunConfig, run: RunDir) -> None:
    changed = {
        key: pair for key, pair in differences(old, new).items() if key not in RESUME_MAY_CHANGE
    }
    if changed:
        shown = "; ".join(
            f"{key} {before!r} -> {after!r}" for key, (before, after) in changed.items()
        )
        raise UsageError(
            f"a resumed run cannot change what a step computes: {shown}",
            where=str(run.config),
            safe="nothing was changed",
            next_command=f"undo it, or start anew: projgan train {new.data.path} --out NEW",
        )


def _compare_pictures(
    checkpoint: Checkpoint,
    pictures: PreparedSet,
    run: RunDir,
    source: str,
    accepted: bool,
    watch: Watch,
) -> None:
    if checkpoint.counters["fingerprint"] == pictures.fingerprint:
        return
    what = f"the pictures changed since the checkpoint: {compare(checkpoint.hashes, pictures)}"
    if not accepted:
        raise DataError(
            what,
            where=source,
            safe="the run is as it was",
            next_command=f"projgan resume {run.root} --accept-data-change    (or restore them)",
        )
    watch.note(what)
    append_line(
        run.history, {"event": "data changed", "images_seen": checkpoint.counters["images_seen"]}
    )
