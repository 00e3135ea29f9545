"""One pass over all pictures of a set: what each file is, a small copy, and features of some.

Nothing is written, and no more than a batch of pictures is held at once.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from PIL import Image
from torch import Tensor

from projgan.data.dataset import PreparedSet, is_prepared
from projgan.data.decode import Rules
from projgan.data.judge import Verdict, judge_all
from projgan.data.labels import Labels, labels_from_file, labels_from_folders
from projgan.data.report import UPSCALED, Report
from projgan.data.scan import open_source
from projgan.evaluation.extractors import Extractor
from projgan.images import on_white
from projgan.workflows.doctor.unusual import LEAST_SIDED

Progress = Callable[[str, int, int], None]

SMALL = 32
"""Side of the small copies, in pixels."""
MIRRORED_MOST = 200
"""Of how many pictures the mirror images are looked at too."""

_BATCH = 16
_SIDE = 224  # what lite1 is shown, so nothing is resized twice
_WHITE = (255, 255, 255)
_GREY_LEVELS = 6
_BORDER_LEVELS = 12
_PLAIN_SHARE = 0.9


@dataclass
class Look:
    """What the pass found. N usable pictures, in order of names."""

    report: Report
    names: list[str]
    hashes: list[str]
    sizes: npt.NDArray[np.int64]
    """(N, 2): width and height of the files, the right way up."""
    small: npt.NDArray[np.uint8]
    """(N, 32, 32, 3): squashed copies, over white."""
    is_grey: npt.NDArray[np.bool_]
    """(N,): whether the colours of a picture are greys, whatever its file says."""
    is_transparent: npt.NDArray[np.bool_]
    border: npt.NDArray[np.float64]
    """(N, 4): share of the outermost pixels that are of about one colour, and that colour."""
    labels: Labels | None
    prepared: PreparedSet | None
    """The set itself, where it is a prepared one."""
    seen: npt.NDArray[np.int64]
    """(K,): which pictures have features."""
    features: Tensor
    """(K, 1280): lite1's."""
    mirrored: Tensor
    """(L, 1280): of the mirror images of every so many of those."""
    mirrored_of: npt.NDArray[np.int64]
    """(L,): rows of `features`."""

    def __len__(self) -> int:
        return len(self.names)


@dataclass
class _Notes:
    """What is noted picture by picture."""

    sizes: list[tuple[int, int]] = field(default_factory=list)
    small: list[npt.NDArray[np.uint8]] = field(default_factory=list)
    is_grey: list[bool] = field(default_factory=list)
    is_transparent: list[bool] = field(default_factory=list)
    border: list[npt.NDArray[np.float64]] = field(default_factory=list)

    def add(self, pixels: npt.NDArray[np.uint8], size: tuple[int, int]) -> npt.NDArray[np.uint8]:
        """Note one (224, 224, 4) picture; returns it over white, (224, 224, 3)."""
        seen = np.asarray(on_white(Image.fromarray(pixels)))
        side = _SIDE // SMALL
        copy = seen.reshape(SMALL, side, SMALL, side, 3).mean((1, 3))
        colours = seen.astype(np.int16)
        spread = colours.max(axis=2) - colours.min(axis=2)
        self.sizes.append(size)
        self.small.append(copy.round().astype(np.uint8))
        self.is_grey.append(bool(np.quantile(spread, 0.99) <= _GREY_LEVELS))
        self.is_transparent.append(bool(pixels[:, :, 3].min() < 255))
        self.border.append(_border(colours))
        return seen


def look_at(
    path: str, *, look: int, device: str | torch.device = "cpu", progress: Progress, workers: int
) -> Look:
    """Look at a folder, a zip or a prepared set.

    Args:
        look: of how many pictures to take features, evenly spaced; 0 for none.
        progress: called as `progress(label, done, total)`.
        workers: threads that decode.
    Raises: as `projgan.data.prepare.check`; any number of bad pictures is only reported.
    """
    if is_prepared(Path(path)):
        return _look_at_prepared(PreparedSet.open(Path(path)), look, device, progress)
    with contextlib.closing(open_source(path)) as source:
        given = labels_from_file(source) if source.listing.has_labels else None
        verdict, notes = Verdict(), _Notes()
        eyes = _Eyes(len(source.listing.entries), look, device)
        rules = Rules(_SIDE, "squash", _WHITE, "rgba")
        stream = judge_all(
            source, rules, workers=workers, progress=lambda n, of: progress("looking", n, of)
        )
        with contextlib.closing(stream):
            for place, judged in enumerate(stream):
                if verdict.add(judged, dedupe=False) and judged.picture is not None:
                    seen = notes.add(judged.picture.pixels, judged.picture.size)
                    eyes.show(place, len(notes.sizes) - 1, seen)
        verdict.facts.pop(UPSCALED, None)  # to the size of this pass, which means nothing
        labels = given or labels_from_folders(verdict.names)
        return _result(
            verdict.report(source), verdict.names, verdict.hashes, notes, eyes, labels=labels
        )


def _look_at_prepared(
    prepared: PreparedSet, look: int, device: str | torch.device, progress: Progress
) -> Look:
    notes, eyes = _Notes(), _Eyes(len(prepared), look, device)
    height, width = prepared.pixels.shape[1:3]
    for index in range(len(prepared)):
        picture = pil_of(prepared, index).convert("RGBA")
        squashed = picture.resize((_SIDE, _SIDE), Image.Resampling.LANCZOS)
        eyes.show(index, index, notes.add(np.asarray(squashed), (width, height)))
        progress("looking", index + 1, len(prepared))
    labels = None
    if prepared.labels is not None and prepared.class_names is not None:
        pairs = zip(prepared.names, prepared.labels, strict=True)
        labels = Labels(dict(pairs), prepared.class_names)
    names, hashes = list(prepared.names), list(prepared.hashes)
    return _result(prepared.report, names, hashes, notes, eyes, labels=labels, prepared=prepared)


def pil_of(prepared: PreparedSet, index: int) -> Image.Image:
    """One picture of a prepared set, in its own mode and size."""
    pixels = np.array(prepared.pixels[index])
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


class _Eyes:
    """Features of every so many pictures, and of the mirror images of some of those."""

    def __init__(self, total: int, look: int, device: str | torch.device) -> None:
        count = min(look, total)
        self._places = set((np.arange(count) * total // max(count, 1)).tolist())
        # Where too few are seen for a judgement, mirror images would be looked at for nothing.
        self._step = max(1, -(-count // MIRRORED_MOST)) if count >= LEAST_SIDED else 0
        self._extractor = Extractor("lite1").to(device).eval() if count else None
        self.seen: list[int] = []
        self._waiting: list[npt.NDArray[np.uint8]] = []
        self._rows: list[Tensor] = []
        self._mirror_rows: list[Tensor] = []

    def show(self, place: int, index: int, pixels: npt.NDArray[np.uint8]) -> None:
        """One picture, `place` of all files and `index` of the usable ones."""
        if place not in self._places:
            return
        self.seen.append(index)
        self._waiting.append(pixels)
        if len(self._waiting) == _BATCH:
            self._flush()

    def _flush(self) -> None:
        if self._extractor is None or not self._waiting:
            return
        images = torch.from_numpy(np.stack(self._waiting)).permute(0, 3, 1, 2)
        first = len(self.seen) - len(self._waiting)
        self._rows.append(self._extractor.features([images]))
        chosen = [k for k in range(len(images)) if self._step and (first + k) % self._step == 0]
        if chosen:
            self._mirror_rows.append(self._extractor.features([images[chosen].flip(3)]))
        self._waiting.clear()

    def rows(self) -> Iterator[Tensor]:
        """All features, then those of mirror images: (K, 1280) and (L, 1280)."""
        self._flush()
        for rows in (self._rows, self._mirror_rows):
            yield torch.cat(rows) if rows else torch.empty(0, 1280)

    def mirrored_of(self) -> npt.NDArray[np.int64]:
        """The rows of the features whose mirror images were looked at."""
        return np.arange(0, len(self.seen) if self._step else 0, self._step or 1)


def _result(
    report: Report,
    names: list[str],
    hashes: list[str],
    notes: _Notes,
    eyes: _Eyes,
    *,
    labels: Labels | None,
    prepared: PreparedSet | None = None,
) -> Look:
    features, mirrored = eyes.rows()
    count = len(names)
    return Look(
        report=report,
        names=names,
        hashes=hashes,
        sizes=np.array(notes.sizes, np.int64).reshape(count, 2),
        small=np.array(notes.small, np.uint8).reshape(count, SMALL, SMALL, 3),
        is_grey=np.array(notes.is_grey, bool),
        is_transparent=np.array(notes.is_transparent, bool),
        border=np.array(notes.border, np.float64).reshape(count, 4),
        labels=labels,
        prepared=prepared,
        seen=np.array(eyes.seen, np.int64),
        features=features,
        mirrored=mirrored,
        mirrored_of=eyes.mirrored_of(),
    )


def _border(colours: npt.NDArray[np.int16]) -> npt.NDArray[np.float64]:
    """Share of the outermost pixels near their median colour, then that colour: (4,)."""
    sides = [colours[:2], colours[-2:], colours[2:-2, :2], colours[2:-2, -2:]]
    ring = np.concatenate([side.reshape(-1, 3) for side in sides])
    colour = np.median(ring, axis=0)
    near = np.abs(ring - colour).max(axis=1) <= _BORDER_LEVELS
    return np.concatenate([[near.mean()], colour])


def is_plain(border: npt.NDArray[np.float64]) -> npt.NDArray[np.bool_]:
    """(N, 4) borders -> (N,) whether each is of one colour."""
    plain: npt.NDArray[np.bool_] = border[:, 0] >= _PLAIN_SHARE
    return plain
