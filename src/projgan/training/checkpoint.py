"""Checkpoints: everything that exact resume needs, in files that are verified before use.

A checkpoint is a folder `step-N` of safetensors and JSON, written by `projgan.storage` (whole or
not at all). "Latest" is found by scanning and verifying. Snapshots, which only hold a generator for
use, live in `projgan.snapshot`; opening those never needs this module.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from projgan import storage
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.errors import CheckpointError, DivergedError
from projgan.tensors import read_tensors, write_tensors
from projgan.training.state import TrainingState

_STATE_FILE = "state.json"
_CONFIG_FILE = "config.json"
_HASHES_FILE = "pictures.json"


@dataclass(frozen=True)
class Checkpoint:
    """A verified checkpoint on disk."""

    folder: Path
    config: RunConfig
    counters: dict[str, Any]
    hashes: dict[str, str]
    """Content hash of every picture by name, to say what changed if the set did."""


def save_checkpoint(
    root: Path,
    state: TrainingState,
    config: RunConfig,
    *,
    fingerprint: str,
    hashes: dict[str, str],
    as_best: bool = False,
    anew: bool = False,
) -> Path:
    """Write `root/step-N` and return it; a whole one that is there already is left alone.

    Args:
        fingerprint, hashes: of the pictures, as a whole and by name.
        as_best: write `root/best`, which replaces the one that is there.
        anew: remove one that is there already.

    Raises:
        DivergedError: a tensor is not finite (such a state is never saved).
        ResourceError: the disk is full or refuses; older checkpoints are intact.
    """
    target = root / ("best" if as_best else f"step-{state.step:08d}")
    if target.exists() and not as_best:
        if not anew and storage.is_whole(target):
            return target
        storage.remove_folder(target)
    counters = {
        "step": state.step,
        "images_seen": state.images_seen,
        "elapsed_s": state.elapsed_s,
        "rollbacks": state.rollbacks,
        "controller": state.controller.state_dict(),
        "averages": state.averages.state_dict(),
        "fingerprint": fingerprint,
        "torch": torch.__version__,
    }

    def write_files(folder: Path) -> None:
        for name, values in _tensors(state):
            require_finite(name, values)
            write_tensors(folder / f"{name}.safetensors", values)
        for name, content in (
            (_STATE_FILE, counters),
            (_CONFIG_FILE, config.to_dict()),
            (_HASHES_FILE, hashes),
        ):
            (folder / name).write_text(json.dumps(content), encoding="ascii")

    write = storage.replace_folder if as_best else storage.write_folder
    write(target, write_files, bytes_needed=bytes_of(state))
    return target


def find_latest(root: Path) -> tuple[Checkpoint | None, list[str]]:
    """The newest checkpoint that verifies, and a sentence about each newer one that does not.

    Raises: CheckpointError: there are checkpoints and none of them is whole.
    """
    problems: list[str] = []
    for folder in numbered_checkpoints(root, newest_first=True):
        try:
            return open_checkpoint(folder), problems
        except CheckpointError as error:
            problems.append(f"{folder.name} is damaged ({error.what})")
    if problems:
        raise CheckpointError(
            f"none of {len(problems)} checkpoints is whole: {problems[0]}",
            where=str(root),
            safe="nothing was deleted; snapshots and samples are not affected",
        )
    return None, []


def is_checkpoint(folder: Path) -> bool:
    """Whether this is the folder of one checkpoint."""
    return (folder / _STATE_FILE).is_file()


def open_checkpoint(folder: Path) -> Checkpoint:
    """One checkpoint by its folder.

    Raises: CheckpointError: it is damaged.
    """
    storage.verify_folder(folder)
    return _read(folder)


def restore(checkpoint: Checkpoint, state: TrainingState) -> None:
    """Fill `state`, which was built from the same config, with what was saved.

    Raises: CheckpointError: names or shapes do not fit.
    """
    device = next(state.generator.parameters()).device
    try:
        for name, module in _modules(state):
            module.load_state_dict(
                read_tensors(checkpoint.folder / f"{name}.safetensors"), strict=True
            )
        for name, optimizer, parameters in _optimizers(state):
            saved = read_tensors(checkpoint.folder / f"{name}.safetensors")
            _load_optimizer(optimizer, parameters, saved)
    except (RuntimeError, KeyError) as error:
        raise CheckpointError(
            f"it does not fit this config: {str(error).splitlines()[0]}",
            where=str(checkpoint.folder),
        ) from error
    state.step = checkpoint.counters["step"]
    state.images_seen = checkpoint.counters["images_seen"]
    state.elapsed_s = checkpoint.counters["elapsed_s"]
    state.rollbacks = checkpoint.counters.get("rollbacks", 0)  # older ones have none
    state.controller.load_state_dict(checkpoint.counters["controller"])
    state.averages.load_state_dict(checkpoint.counters["averages"], device)


def find_best(root: Path) -> Checkpoint | None:
    """The checkpoint that was saved as the best one, if it is there and whole."""
    for folder in (storage.successor_of(root / "best"), root / "best"):
        with contextlib.suppress(CheckpointError):
            return open_checkpoint(folder)
    return None


def forget_after(root: Path, step: int) -> None:
    """Remove the checkpoints of later steps, the newest first: a crash leaves no gap."""
    for folder in numbered_checkpoints(root, newest_first=True):
        if int(folder.name[5:]) > step:
            storage.remove_folder(folder)


def prune(root: Path, keep: int) -> None:
    """Remove the oldest checkpoints so that `keep` stay; call it right after a save."""
    for folder in numbered_checkpoints(root, newest_first=True)[keep:]:
        storage.remove_folder(folder)


def numbered_checkpoints(root: Path, *, newest_first: bool) -> list[Path]:
    """The checkpoints of a run in their order, without the best one; not verified."""
    found = [p for p in root.glob("step-*") if p.is_dir() and p.name[5:].isdigit()]
    return sorted(found, key=lambda p: int(p.name[5:]), reverse=newest_first)


def read_counters(folder: Path) -> dict[str, Any]:
    """How far a checkpoint is: step, images_seen, elapsed_s; of one that is verified or looked at.

    Raises: CheckpointError: they cannot be read.
    """
    try:
        counters: dict[str, Any] = json.loads((folder / _STATE_FILE).read_text(encoding="ascii"))
        return {name: counters[name] for name in ("step", "images_seen", "elapsed_s")}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise CheckpointError("its state cannot be read", where=str(folder)) from error


def _read(folder: Path) -> Checkpoint:
    try:
        counters, config, hashes = (
            json.loads((folder / name).read_text(encoding="ascii"))
            for name in (_STATE_FILE, _CONFIG_FILE, _HASHES_FILE)
        )
        return Checkpoint(folder, from_dict(config), counters, hashes)
    except (OSError, ValueError) as error:
        raise CheckpointError("its state cannot be read", where=str(folder)) from error


def _modules(state: TrainingState) -> list[tuple[str, nn.Module]]:
    return [
        ("generator", state.generator),
        ("generator_ema", state.generator_ema),
        ("discriminator", state.discriminator),
    ]


def _optimizers(
    state: TrainingState,
) -> list[tuple[str, torch.optim.Optimizer, list[tuple[str, nn.Parameter]]]]:
    generator = list(state.generator.named_parameters())
    learner = list(state.discriminator.learner.named_parameters())
    return [
        ("optimizer_g", state.optimizer_g, generator),
        ("optimizer_d", state.optimizer_d, learner),
    ]


def _tensors(state: TrainingState) -> Iterator[tuple[str, dict[str, Tensor]]]:
    """File by file: its name, and tensors by name."""
    for name, module in _modules(state):
        yield name, module.state_dict()
    for name, optimizer, parameters in _optimizers(state):
        values = {
            f"{key}.{kind}": value
            for key, parameter in parameters
            for kind, value in optimizer.state.get(parameter, {}).items()
        }
        yield name, values


def _load_optimizer(
    optimizer: torch.optim.Optimizer,
    parameters: list[tuple[str, nn.Parameter]],
    saved: dict[str, Tensor],
) -> None:
    """Put the saved moments back, each in the memory layout of its parameter."""
    for key, parameter in parameters:
        prefix = f"{key}."
        entries = {
            name.removeprefix(prefix): value
            for name, value in saved.items()
            if name.startswith(prefix) and "." not in name.removeprefix(prefix)
        }
        state = {}
        for kind, value in entries.items():
            if value.shape == parameter.shape and value.dim():
                state[kind] = torch.empty_like(parameter, requires_grad=False).copy_(value)
            else:
                # Adam's step counter; a copy, or it would keep the whole file mapped.
                state[kind] = value.to(_counter_device(optimizer, parameter), copy=True)
        if state:
            optimizer.state[parameter] = state


def _counter_device(
    optimizer: torch.optim.Optimizer, parameter: nn.Parameter
) -> torch.device | str:
    """Where an optimiser counts the steps of a parameter: beside it, if it works in one piece."""
    return parameter.device if optimizer.defaults.get("fused") else "cpu"


def require_finite(file: str, values: dict[str, Tensor]) -> None:
    """Raise `DivergedError` if a tensor that is about to be saved in `file` is not finite."""
    for name, tensor in values.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DivergedError(
                f"{name} of {file} is not finite", safe="earlier checkpoints are intact"
            )


def bytes_of(state: TrainingState) -> int:
    """Size of a checkpoint on disk, roughly: weights, and two moments for what is trained."""
    weights = [t for _, module in _modules(state) for t in module.state_dict().values()]
    moments = [p for _, _, named in _optimizers(state) for _, p in named for _ in range(2)]
    return sum(t.numel() * t.element_size() for t in [*weights, *moments]) + 1_000_000
