"""A trained generator for use: the averaged weights and the config, as safetensors and JSON.

Opening one never imports the trainer. State for resume lives in `projgan.training.checkpoint`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from projgan import storage
from projgan.build import choose_device, make_generator
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.errors import CheckpointError, ProjganError, UsageError
from projgan.generators.base import Generator
from projgan.layers.noise import set_noise_mode
from projgan.rundir import RunDir

_WEIGHTS_FILE = "generator.safetensors"
_ABOUT_FILE = "snapshot.json"


class Snapshot:
    """A generator ready to make pictures.

    Attributes:
        generator: in eval mode, its noise fixed, so that a seed always gives the same picture.
        config: the run that it comes from.
        images_seen: how long it was trained.
    """

    def __init__(self, generator: Generator, config: RunConfig, *, images_seen: int) -> None:
        self.generator = generator.eval().requires_grad_(False)
        set_noise_mode(self.generator, "const")
        self.config = config
        self.images_seen = images_seen

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto") -> Snapshot:
        """Open a snapshot folder, or the newest snapshot of a run folder.

        Raises: UsageError: there is none. CheckpointError: it is damaged.
        """
        folder = _find(Path(path))
        storage.verify_folder(folder)
        try:
            about = json.loads((folder / _ABOUT_FILE).read_text(encoding="utf-8"))
            config = from_dict(about["config"])
            generator = make_generator(config)
            generator.load_state_dict(load_file(folder / _WEIGHTS_FILE), strict=True)
            images_seen = int(about["images_seen"])
        except ProjganError:
            raise
        except (OSError, ValueError, KeyError, TypeError, RuntimeError, SafetensorError) as error:
            raise CheckpointError(
                f"it cannot be read: {str(error).splitlines()[0]}", where=str(folder)
            ) from error
        generator.to(choose_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(generator, config, images_seen=images_seen)

    def save(self, folder: Path) -> None:
        """Write the snapshot to `folder`, whole or not at all.

        Of the pictures' folder, and of files with weights, only the name is kept.
        """
        data = dataclasses.replace(self.config.data, path=Path(self.config.data.path).name)
        weights_names = tuple(Path(file).name for file in self.config.features.weights)
        features = dataclasses.replace(self.config.features, weights=weights_names)
        config = dataclasses.replace(self.config, data=data, features=features)
        about = {"images_seen": self.images_seen, "config": config.to_dict()}
        weights = {
            name: value.detach().cpu().clone(memory_format=torch.contiguous_format)
            for name, value in self.generator.state_dict().items()
        }

        def write_files(target: Path) -> None:
            # Not save_file: its errors hide what the disk said.
            (target / _WEIGHTS_FILE).write_bytes(save(weights))
            (target / _ABOUT_FILE).write_text(json.dumps(about, indent=1), encoding="utf-8")

        size = sum(value.numel() * value.element_size() for value in weights.values())
        storage.write_folder(folder, write_files, bytes_needed=size + 100_000)

    def sample(self, seeds: Iterable[int], *, batch: int = 16) -> Tensor:
        """One picture a seed: (N, 3, R, R) float32 in about [-1, 1], on the CPU.

        Each picture depends on its seed alone, not on its neighbours or on `batch`.
        """
        seeds = list(seeds)
        if not seeds:
            raise UsageError("no seeds given")
        return torch.cat(list(self.images(self.generator.latents(seeds), batch=batch)))

    @torch.no_grad()
    def images(self, latents_z: Tensor, *, batch: int = 16) -> Iterator[Tensor]:
        """Pictures of (N, z_dim) latents, batch by batch, as `sample` gives them."""
        device = next(self.generator.parameters()).device
        for z in latents_z.split(batch):
            yield self.generator(z.to(device)).float().cpu()


def prune(root: Path, keep: int) -> None:
    """Remove the oldest snapshots of a run so that `keep` stay; 0 keeps all."""
    found = _numbered(root)
    for folder in found[: len(found) - keep] if keep else []:
        storage.remove_folder(folder)


def _numbered(root: Path) -> list[Path]:
    return sorted(p for p in root.glob("[0-9]*") if p.is_dir() and p.name.isdigit())


def _find(path: Path) -> Path:
    if (path / _ABOUT_FILE).is_file():
        return path
    found = _numbered(RunDir(path).snapshots)
    if not found:
        raise UsageError(
            "there is no snapshot here yet" if path.is_dir() else "there is no such folder",
            where=str(path),
            next_command="projgan train FOLDER_OF_PICTURES",
        )
    return found[-1]
