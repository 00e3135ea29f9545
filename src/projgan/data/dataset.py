"""A prepared set on disk: a folder with `pixels.bin` and `meta.json`, and how training reads it.

`pixels.bin` is raw uint8, (N, H, W, C), picture after picture; `meta.json` says everything else.
The pixels are mapped, not loaded, so a set may be larger than memory. `data.prepare` writes it.
"""

from __future__ import annotations

import hashlib
import json
import math
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from projgan.config.shapes import CHANNELS, Resolution, in_words, settle_resolution, size_of
from projgan.data.report import Report
from projgan.errors import DataError, UsageError

SCHEMA_VERSIONS = (1, 2)
"""2 is for all but square colour pictures, which an older projgan would misread."""
PIXELS_NAME = "pixels.bin"
META_NAME = "meta.json"

_CHUNK_BYTES = 64 * 1024**2


@dataclass(frozen=True, kw_only=True)
class Meta:
    """What `meta.json` holds besides the report."""

    resolution: Resolution
    fit: str
    background: str
    rules_version: int
    names: Sequence[str]
    """In the order of the pixels."""
    hashes: Sequence[str]
    """SHA-256 of each source file, hexadecimal."""
    labels: Sequence[int] | None
    class_names: Sequence[str] | None
    mode: str = "rgb"

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """Of the pixels: (N, H, W, C)."""
        return len(self.names), *size_of(self.resolution), CHANNELS[self.mode]

    @property
    def schema_version(self) -> int:
        """The version that its file has: sets that an older projgan can read keep the first."""
        is_plain = isinstance(self.resolution, int) and self.mode == "rgb"
        return SCHEMA_VERSIONS[0] if is_plain else SCHEMA_VERSIONS[1]

    def fingerprint(self) -> str:
        """SHA-256 over all that decides the pixels and labels, wherever the source lies."""
        values = asdict(self)
        del values["class_names"]  # what classes are called changes nothing
        if self.mode == "rgb":
            del values["mode"]  # sets from before there were modes keep their fingerprint
        return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()


def is_prepared(folder: Path) -> bool:
    """Whether `folder` looks like a prepared set."""
    return (folder / META_NAME).is_file() and (folder / PIXELS_NAME).is_file()


def write_meta(folder: Path, meta: Meta, report: Report) -> None:
    """Write `meta.json`. JSON stays ASCII, so that any file name survives."""
    values = {
        "schema_version": meta.schema_version,
        "count": len(meta.names),
        "fingerprint": meta.fingerprint(),
        **asdict(meta),
        "report": report.as_dict(),
    }
    (folder / META_NAME).write_text(json.dumps(values, indent=1), encoding="ascii")


class PreparedSet:
    """Pictures of one size and mode, with names, hashes and perhaps labels; made by `open`."""

    def __init__(self, folder: Path, meta: Meta, report: Report) -> None:
        self.folder = folder
        self.resolution, self.mode = meta.resolution, meta.mode
        self.description = in_words(meta.resolution, meta.mode)
        self.names = list(meta.names)
        self.hashes = list(meta.hashes)
        self.labels = None if meta.labels is None else list(meta.labels)
        self.class_names = None if meta.class_names is None else list(meta.class_names)
        self.fingerprint = meta.fingerprint()
        self.report = report
        self.pixels: npt.NDArray[np.uint8] = np.memmap(
            folder / PIXELS_NAME, np.uint8, "r", shape=meta.shape
        )
        self._mapped = _as_tensor(self.pixels)
        self._resident: Tensor | None = None
        self._classes: Tensor | None = None

    def __len__(self) -> int:
        return len(self.names)

    @classmethod
    def open(cls, folder: Path) -> PreparedSet:
        """The prepared set in `folder`.

        Raises: DataError: if it is missing, damaged, or written by another version of projgan.
        """
        folder = Path(folder)
        meta, report = _read_meta(folder)
        expected = math.prod(meta.shape)
        try:
            size = (folder / PIXELS_NAME).stat().st_size
        except OSError as error:
            raise _damage(folder, f"{PIXELS_NAME}: {error.strerror}") from error
        if size != expected:
            raise _damage(folder, f"{PIXELS_NAME} has {size} bytes instead of {expected}")
        return cls(folder, meta, report)

    def images(
        self,
        indices: npt.ArrayLike,
        flips: npt.ArrayLike | None = None,
        *,
        device: str | torch.device = "cpu",
    ) -> Tensor:
        """Pictures by index: (B, C, H, W), uint8, in channels_last layout, on `device`.

        Args:
            indices: (B,) integers in [0, N).
            flips: (B,) booleans: which of them to mirror; none by default.
        """
        chosen = np.asarray(indices, np.int64)
        assert chosen.size == 0 or (chosen.min() >= 0 and chosen.max() < len(self)), (
            "index out of range"
        )
        if self._resident is not None and self.is_on(device):
            batch = self._resident[_send(chosen, self._resident.device)]  # (B, H, W, C)
        else:
            # Through torch, which lets other threads of Python run while the disk is read.
            batch = self._mapped[torch.from_numpy(chosen)].to(device)
        if flips is not None and (mirrored := np.flatnonzero(flips)).size:
            which = _send(mirrored, batch.device)
            batch[which] = batch[which].flip(2)
        return batch.permute(0, 3, 1, 2)

    def classes_of(self, indices: npt.ArrayLike, *, device: str | torch.device = "cpu") -> Tensor:
        """Class indices of pictures: (B,) int64, on `device`. The set must have labels."""
        assert self.labels is not None, "this set has no labels"
        if self._classes is None:
            self._classes = torch.tensor(self.labels, dtype=torch.int64)
        chosen = self._classes.numpy()[np.asarray(indices, np.int64)]
        return _send(chosen, torch.device(device))

    def is_on(self, device: str | torch.device) -> bool:
        """Whether the memory of `device` holds all pixels."""
        here = self._resident
        return here is not None and _same_device(here.device, torch.device(device))

    def on_device(self, device: str | torch.device, budget_bytes: int) -> None:
        """Keep all pixels in the memory of `device`, if they take at most `budget_bytes`."""
        if self.pixels.nbytes > budget_bytes:
            return
        resident = torch.empty(self.pixels.shape, dtype=torch.uint8, device=device)
        rows = max(1, _CHUNK_BYTES // self.pixels[0].nbytes)
        for start in range(0, len(self), rows):
            resident[start : start + rows].copy_(self._mapped[start : start + rows])
        self._resident = resident


def compare(old_hashes_by_name: Mapping[str, str], new: PreparedSet) -> str:
    """How `new` differs from names and their SHA-256: "3 added, 1 removed, 2 changed"."""
    return compare_hashes(old_hashes_by_name, dict(zip(new.names, new.hashes, strict=True)))


def compare_hashes(old_hashes_by_name: Mapping[str, str], current: Mapping[str, str]) -> str:
    """The same for the names and SHA-256 of pictures that are there now."""
    added = len(current.keys() - old_hashes_by_name.keys())
    removed = len(old_hashes_by_name.keys() - current.keys())
    changed = sum(current.get(name, sha) != sha for name, sha in old_hashes_by_name.items())
    return f"{added} added, {removed} removed, {changed} changed"


def _as_tensor(pixels: npt.NDArray[np.uint8]) -> Tensor:
    """The map as a tensor that must only be read."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*not writable")
        return torch.from_numpy(pixels)


def _send(values: npt.NDArray[np.int64], device: torch.device) -> Tensor:
    """A few numbers to the device; on CUDA without waiting for what it is computing."""
    tensor = torch.from_numpy(values)
    if device.type == "cuda":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def _same_device(resident: torch.device, wanted: torch.device) -> bool:
    """Whether they agree; "cuda" without a number means whichever has the pixels."""
    return resident.type == wanted.type and wanted.index in (None, resident.index)


def _read_meta(folder: Path) -> tuple[Meta, Report]:
    try:
        values = json.loads((folder / META_NAME).read_bytes())
        if values["schema_version"] not in SCHEMA_VERSIONS:
            raise DataError(
                f"the prepared set has schema version {values['schema_version']}; "
                f"this projgan reads {' and '.join(map(str, SCHEMA_VERSIONS))}",
                where=str(folder),
                next_command="prepare the pictures again",
            )
        report = Report.from_dict(values["report"])
        values = {"mode": "rgb"} | values
        meta = Meta(**{name: values[name] for name in Meta.__dataclass_fields__})
        is_whole = (
            _is_sound(meta)
            and values["fingerprint"] == meta.fingerprint()
            and values["count"] == len(meta.names)
        )
    except OSError as error:
        raise _damage(folder, f"{META_NAME}: {error.strerror}") from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise _damage(folder, f"{META_NAME}: {error}") from error
    if not is_whole:
        raise _damage(folder, f"{META_NAME} does not agree with itself")
    return meta, report


def _is_sound(meta: Meta) -> bool:
    """Whether every field has the form that the rest of projgan relies on."""
    count = len(meta.names)
    number_of_classes = len(meta.class_names or ())
    return (
        _is_resolution(meta.resolution)
        and meta.mode in CHANNELS
        and count == len(meta.hashes) >= 1
        and all(
            isinstance(text, str) for text in (*meta.names, *meta.hashes, *(meta.class_names or ()))
        )
        and (meta.labels is None) == (meta.class_names is None)
        and (meta.labels is None or len(meta.labels) == count)
        and all(
            type(label) is int and 0 <= label < number_of_classes for label in meta.labels or ()
        )
    )


def _is_resolution(value: object) -> bool:
    """Whether it is a resolution in the one way in which it is written."""
    try:
        return type(value) in (int, str) and settle_resolution(value) == value  # type: ignore[arg-type]
    except UsageError:
        return False


def _damage(folder: Path, problem: str) -> DataError:
    return DataError(
        f"this prepared set is missing or damaged: {problem}",
        where=str(folder),
        next_command="prepare the pictures again",
    )
