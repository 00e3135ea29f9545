"""A run's discriminator as a judge of pictures: the heads of its newest checkpoint."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from projgan.augment.composite import composite
from projgan.build import make_discriminator
from projgan.discriminators.base import Discriminator
from projgan.errors import CheckpointError, UsageError, first_line
from projgan.layers.minibatch_std import MinibatchStd
from projgan.rng import torch_stream
from projgan.rundir import RunDir
from projgan.tensors import read_tensors
from projgan.training.checkpoint import Checkpoint, find_latest
from projgan.workflows.watch import Watch


class Judge:
    """Called with pictures, says how real each looks: the mean of its logits.

    It judges without augmentation, and every picture by itself: normalisation uses the statistics
    of training, and what is transparent lies over the same stripes in every picture.

    Attributes:
        name: of the checkpoint, such as "step-00000625".
        images_seen: of that checkpoint.
    """

    def __init__(self, discriminator: Discriminator, *, name: str = "", images_seen: int = 0):
        self._discriminator = discriminator.eval()
        self.name, self.images_seen = name, images_seen
        compares = any(isinstance(module, MinibatchStd) for module in discriminator.modules())
        self._batch = 1 if compares else 16  # company must not count

    @torch.no_grad()
    def __call__(self, images: Tensor, c: Tensor | None = None) -> Tensor:
        """(B, C, H, W) in about [-1, 1] -> (B,) on the CPU; c: (B,) class indices, with classes."""
        device = next(self._discriminator.parameters()).device
        parts = images.split(self._batch)
        labels = [None] * len(parts) if c is None else c.split(self._batch)
        verdicts = []
        for part, label in zip(parts, labels, strict=True):
            seen = self._discriminator.look(_on_stripes(part).to(device))
            logits = self._discriminator.verdict(seen, None if label is None else label.to(device))
            verdicts.append(logits.float().mean(dim=1).cpu())
        return torch.cat(verdicts)


def open_judge(source: Path, *, device: torch.device, watch: Watch | None = None) -> Judge:
    """The judge of a run folder, or of the run that a snapshot folder lies in.

    Raises: UsageError: there is no checkpoint to take it from. CheckpointError: none is whole.
        ResourceError: the weights of its feature network are not on this machine.
    """
    watch = watch or Watch()
    run = run_of(source)
    if run is None:
        raise _no_heads("a snapshot alone has no heads that could choose the best", source)
    checkpoint, problems = find_latest(run.checkpoints)
    for problem in problems:
        watch.note(f"{problem}; using the one before it")
    if checkpoint is None:
        raise _no_heads(
            "this run has no checkpoint, and so no heads to choose the best with", source
        )
    discriminator = _load(checkpoint).to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    seen = int(checkpoint.counters["images_seen"])
    return Judge(discriminator, name=checkpoint.folder.name, images_seen=seen)


def run_of(source: Path) -> RunDir | None:
    """The run whose folder this is, or in whose folder this snapshot lies; None for another."""
    for root in (source, source.resolve().parent.parent):
        run = RunDir(root)
        is_inside = root == source or source.resolve().parent == run.snapshots.resolve()
        if is_inside and run.config.is_file():
            return run
    return None


def _no_heads(what: str, source: Path) -> UsageError:
    return UsageError(
        what,
        where=str(source),
        safe="nothing was written",
        next_command="name a run folder with its checkpoints, or leave --best-of out",
    )


def _load(checkpoint: Checkpoint) -> Discriminator:
    file = checkpoint.folder / "discriminator.safetensors"
    discriminator = make_discriminator(checkpoint.config)
    try:
        discriminator.load_state_dict(read_tensors(file), strict=True)
    except RuntimeError as error:
        raise CheckpointError(
            f"its discriminator cannot be built: {first_line(error)}", where=str(file)
        ) from error
    return discriminator.requires_grad_(False)


def _on_stripes(images: Tensor) -> Tensor:
    """Three channels, as the discriminator wants them; the same stripes under every picture."""
    if images.shape[1] != 4:
        return composite(images)
    streams = (torch_stream(0, "background of the judge") for _ in images)
    return torch.cat(
        [composite(one, generator=g) for one, g in zip(images.split(1), streams, strict=True)]
    )
