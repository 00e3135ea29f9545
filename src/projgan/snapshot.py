"""A trained generator for use: the averaged weights and the config, as safetensors and JSON.

Opening one never imports the trainer. State for resume lives in `projgan.training.checkpoint`.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from projgan import storage
from projgan.build import choose_device, make_generator
from projgan.config.load import from_dict
from projgan.config.schema import RunConfig
from projgan.data.classes import find_class
from projgan.errors import CheckpointError, ProjganError, UsageError, choose_from, first_line
from projgan.generators.base import Generator, StyleGenerator
from projgan.generators.folding import folded
from projgan.generators.plugin import admit
from projgan.layers.noise import NOISE_MODES, NoiseMode, has_noise, set_noise_mode
from projgan.rng import derive_seed
from projgan.rundir import RunDir
from projgan.tensors import read_tensors, write_tensors

Classes = int | str | Sequence[int | str] | Tensor | None
"""Which classes: one for all pictures, by index or name, or one for each of them."""
Forward = Callable[[Tensor, Tensor | None], Tensor]
"""Latents or styles, and class indices (B,) if there are classes, to pictures."""

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
        self._is_quick = self._is_bf16 = False

    def quick(self, *, bf16: bool = False) -> Snapshot:
        """The same for many pictures: a copy in which what is the same in every batch is computed.

        Pictures are the same to rounding. It cannot be saved.

        Args:
            bf16: convolutions in bfloat16: less exact (mostly within 3 of 255 levels), and quicker
                where the device computes in it.
        """
        copied = Snapshot(folded(self.generator), self.config, images_seen=self.images_seen)
        copied._is_bf16 = bf16
        copied._is_quick = True
        return copied

    @classmethod
    def load(cls, path: str | Path, *, device: str = "auto", allow_code: bool = False) -> Snapshot:
        """Open a snapshot folder, or the newest snapshot of a run folder.

        Args:
            allow_code: if its generator is `module:Name`, from outside the package, import that
                module, which runs it. One that was imported already needs no leave.
        Raises: UsageError: there is none, or nothing to build its generator from. CheckpointError:
            it is damaged. RefusedError: it needs a module that was not imported.
        """
        folder = find_snapshot(Path(path))
        config, images_seen = read_about(folder)
        admit(config.generator.name, allow_code=allow_code, where=str(folder))
        try:
            generator = make_generator(config)
            generator.load_state_dict(read_weights(folder), strict=True)
        except ProjganError:
            raise
        except (ValueError, TypeError, RuntimeError) as error:
            raise _unreadable(folder, error) from error
        generator.to(choose_device(device), memory_format=torch.channels_last)  # type: ignore[call-overload]
        return cls(generator, config, images_seen=images_seen)

    def save(
        self,
        folder: Path,
        *,
        figures: Mapping[str, float] | None = None,
        origin: Mapping[str, str] | None = None,
        replace: bool = False,
    ) -> None:
        """Write the snapshot to `folder`, whole or not at all.

        Args:
            figures: what was measured on it, by name; kept beside it.
            origin: where weights that no run here has learned came from; kept beside it.
            replace: a folder that exists is replaced, and stays until the new one is complete.

        Of the pictures' folder, of files with weights and of what the run started from, only the
        name is kept.
        """
        assert not self._is_quick, "its weights are not those that a run has learned"
        data = dataclasses.replace(self.config.data, path=Path(self.config.data.path).name)
        weights_names = tuple(Path(file).name for file in self.config.features.weights)
        features = dataclasses.replace(self.config.features, weights=weights_names)
        source = Path(self.config.transfer.source).name
        transfer = dataclasses.replace(self.config.transfer, source=source)
        config = dataclasses.replace(self.config, data=data, features=features, transfer=transfer)
        about: dict[str, Any] = {"images_seen": self.images_seen, "config": config.to_dict()}
        if figures:
            about["figures"] = dict(figures)
        if origin:
            about["origin"] = dict(origin)
        weights = self.generator.state_dict()

        def write_files(target: Path) -> None:
            write_tensors(target / _WEIGHTS_FILE, weights)
            (target / _ABOUT_FILE).write_text(json.dumps(about, indent=1), encoding="utf-8")

        size = sum(value.numel() * value.element_size() for value in weights.values())
        write = storage.replace_folder if replace else storage.write_folder
        write(folder, write_files, bytes_needed=size + 100_000)

    @property
    def class_names(self) -> tuple[str, ...]:
        """The classes that it can make; none if its run was not conditional."""
        return self.config.data.classes

    def sample(
        self,
        seeds: Iterable[int],
        *,
        classes: Classes = None,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
        noise: NoiseMode | None = None,
        batch: int = 16,
    ) -> Tensor:
        """One picture a seed: (N, C, H, W) float32 in about [-1, 1], on the CPU.

        Each picture depends on its seed and class alone, not on its neighbours or on `batch` (but
        for the rounding of float32, which a batch of another size may change).

        Args:
            classes: of a conditional generator: one for all pictures, or one for each. None takes
                the classes in turn: seed 7 of 5 classes has class 2.
            truncation_psi: for generators with styles: 1 for all the variety there is, less for
                less of it and more regular pictures, 0 for the mean one. None leaves styles alone.
            truncation_cutoff: truncate only so many styles, coarse ones first.
            noise: for generators with noise: "const" for the same in every picture (what None
                means), "random" for a picture's own, which its latent decides, or "none".
        Raises: UsageError: no seeds, or the generator has no such thing.
        """
        seeds = list(seeds)
        if not seeds:
            raise UsageError("no seeds given")
        pictures = self.images(
            self.generator.latents(seeds),
            classes=self.classes_of(seeds, classes),
            truncation_psi=truncation_psi,
            truncation_cutoff=truncation_cutoff,
            noise=noise,
            batch=batch,
        )
        return torch.cat(list(pictures))

    def images(
        self,
        latents_z: Tensor,
        *,
        classes: Classes = None,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
        noise: NoiseMode | None = None,
        batch: int = 16,
    ) -> Iterator[Tensor]:
        """Pictures of (N, z_dim) latents, batch by batch, as `sample` gives them.

        Arguments are checked before the first picture is asked for. Classes must be given if there
        are any: latents tell of no turn.
        """
        self._require_noise(noise)
        forward: Forward = self._forward
        if truncation_psi is not None or truncation_cutoff is not None:
            forward = self._truncated(truncation_psi, truncation_cutoff)
        c = self._indices(classes, len(latents_z))
        size = 1 if noise == "random" else batch
        latents = latents_z.split(size)
        labels = [None] * len(latents) if c is None else c.split(size)
        parts = zip(latents, labels, strict=True)
        if noise == "random":
            return (self._with_own_noise(forward, z, label) for z, label in parts)
        return (self._compute(forward, z, label, noise=noise) for z, label in parts)

    def classes_of(self, seeds: Iterable[int], classes: Classes = None) -> Classes:
        """`classes`, or where they are None the class index that each seed has by its turn."""
        if classes is not None or not self.class_names:
            return classes
        return [seed % len(self.class_names) for seed in seeds]

    @torch.no_grad()
    def styles(self, seeds: Iterable[int], *, classes: Classes = None) -> Tensor:
        """The styles of seeds, to look at or to mix: (N, num_styles, w_dim), on the CPU.

        classes: as for `sample`.
        Raises: UsageError: the generator has no styles, or no such class.
        """
        seeds = list(seeds)
        generator = self._style_generator("styles")
        c = self._indices(self.classes_of(seeds, classes), len(seeds))
        return self._styles(generator.latents(seeds), c).cpu()

    def synthesize(
        self,
        styles_w: Tensor,
        *,
        truncation_psi: float | None = None,
        truncation_cutoff: int | None = None,
        noise: NoiseMode | None = None,
        batch: int = 16,
    ) -> Iterator[Tensor]:
        """Pictures of (N, num_styles, w_dim) styles, batch by batch; noise is "const" or "none".

        Raises: UsageError: the generator has no styles, or no such noise.
        """
        generator = self._style_generator("styles")
        self._require_noise(noise)
        if noise == "random":
            raise UsageError("random noise follows from a latent; styles take const or none")

        def plain(styles_w: Tensor, c: Tensor | None) -> Tensor:
            return generator.synthesize(styles_w)

        forward: Forward = plain
        if truncation_psi is not None or truncation_cutoff is not None:
            forward = self._truncated(truncation_psi, truncation_cutoff, from_styles=True)
        return (self._compute(forward, w, None, noise=noise) for w in styles_w.split(batch))

    def _truncated(
        self, psi: float | None, cutoff: int | None, *, from_styles: bool = False
    ) -> Forward:
        """The generator, or its half from styles on, with truncation."""
        generator = self._style_generator("truncation")
        if psi is None:
            raise UsageError("a truncation cutoff has no effect without a truncation psi")
        generator.check_truncation(psi, cutoff)

        def forward(inputs: Tensor, c: Tensor | None) -> Tensor:
            styles_w = inputs if from_styles else self._styles(inputs, c)
            return generator.synthesize(generator.truncate(styles_w, psi, cutoff=cutoff))

        return forward

    def _forward(self, z: Tensor, c: Tensor | None) -> Tensor:
        # A generator without classes need not take them.
        images: Tensor = self.generator(z) if c is None else self.generator(z, c)
        return images

    def _styles(self, z: Tensor, c: Tensor | None) -> Tensor:
        """Styles on the generator's device."""
        generator, device = self._style_generator("styles"), self._device()
        if c is None:
            return generator.styles(z.to(device))
        return generator.styles(z.to(device), c.to(device))

    def _indices(self, classes: Classes, count: int) -> Tensor | None:
        """A class index for each of `count` pictures: (N,), or None without classes."""
        if classes is None:
            if self.class_names:
                raise UsageError("a conditional generator needs a class for each latent")
            return None
        if isinstance(classes, Tensor):
            classes = classes.tolist()
        wanted = [classes] * count if isinstance(classes, (int, str)) else list(classes)
        if len(wanted) != count:
            raise UsageError(f"{len(wanted)} classes for {count} pictures: give one, or one each")
        found = {name: find_class(name, self.class_names) for name in set(wanted)}
        return torch.tensor([found[name] for name in wanted], dtype=torch.int64)

    @torch.no_grad()
    def _compute(
        self,
        forward: Forward,
        inputs: Tensor,
        c: Tensor | None,
        *,
        noise: NoiseMode | None,
    ) -> Tensor:
        """One batch through `forward`, on the generator's device and under a noise mode."""
        set_noise_mode(self.generator, noise or "const")
        device = self._device()
        cast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=self._is_bf16)
        try:
            with cast:
                images = forward(inputs.to(device), None if c is None else c.to(device))
            return images.float().cpu()
        finally:
            set_noise_mode(self.generator, "const")

    def _with_own_noise(self, forward: Forward, z: Tensor, c: Tensor | None) -> Tensor:
        """One picture with noise that its latent (1, z_dim) decides, in whatever company."""
        device = self._device()
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(derive_seed(0, f"noise of {z.cpu().numpy().tobytes().hex()}"))
            return self._compute(forward, z, c, noise="random")

    def _device(self) -> torch.device:
        return next(self.generator.parameters()).device

    def _style_generator(self, what: str) -> StyleGenerator:
        if isinstance(self.generator, StyleGenerator):
            return self.generator
        raise UsageError(
            f"the generator {self.config.generator.name} has no {what}",
            next_command="leave that out, or train one that has: --set generator.name=stylegan2",
        )

    def _require_noise(self, noise: str | None) -> None:
        if noise is not None and noise not in NOISE_MODES:
            raise choose_from("noise mode", noise, NOISE_MODES)
        if noise is not None and not has_noise(self.generator):
            raise UsageError(
                f"the generator {self.config.generator.name} has no noise",
                next_command="leave the noise mode out",
            )


def prune(root: Path, keep: int) -> None:
    """Remove the oldest snapshots of a run so that `keep` stay; 0 keeps all."""
    found = numbered(root)
    for folder in found[: len(found) - keep] if keep else []:
        storage.remove_folder(folder)


def numbered(root: Path) -> list[Path]:
    """The snapshots of a run in their order, without the best one."""
    return sorted(p for p in root.glob("[0-9]*") if p.is_dir() and p.name.isdigit())


def read_about(folder: Path) -> tuple[RunConfig, int]:
    """The config of a snapshot, after every file was verified, and how many images it has seen.

    Raises: CheckpointError: it is damaged.
    """
    storage.verify_folder(folder)
    try:
        about = json.loads((folder / _ABOUT_FILE).read_text(encoding="utf-8"))
        return from_dict(about["config"]), int(about["images_seen"])
    except ProjganError:
        raise
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _unreadable(folder, error) from error


def read_figures(folder: Path) -> dict[str, float]:
    """What was measured on a snapshot before it was saved, by name; empty if nothing was.

    Raises: CheckpointError: it cannot be read.
    """
    try:
        about = json.loads((folder / _ABOUT_FILE).read_text(encoding="utf-8"))
        return {str(name): float(value) for name, value in about.get("figures", {}).items()}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise _unreadable(folder, error) from error


def read_weights(folder: Path) -> dict[str, Tensor]:
    """The generator's tensors in a snapshot."""
    return read_tensors(folder / _WEIGHTS_FILE)


def _unreadable(folder: Path, error: Exception) -> CheckpointError:
    return CheckpointError(f"it cannot be read: {first_line(error)}", where=str(folder))


def find_snapshot(path: Path) -> Path:
    """The folder of a snapshot, or of the newest one in the folder of a run.

    Raises: UsageError: there is none.
    """
    for folder in (path, storage.successor_of(path)):
        if (folder / _ABOUT_FILE).is_file():
            return folder
    found = numbered(RunDir(path).snapshots)
    if not found:
        raise UsageError(
            "there is no snapshot here yet" if path.is_dir() else "there is no such folder",
            where=str(path),
            next_command="projgan train FOLDER_OF_PICTURES",
        )
    return found[-1]
