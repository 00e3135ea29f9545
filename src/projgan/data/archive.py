"""A prepared set as a zip of the form that the StyleGAN tools write and read.

Uncompressed PNGs in an uncompressed zip, 1,000 names a folder, and `dataset.json`. projgan reads
such a zip like any other (`data.zipped`); at the same resolution the pixels come back exactly.
Those tools know colours and grey, no transparency; pictures that are not square only projgan reads.
"""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from projgan.data.dataset import PreparedSet
from projgan.data.source import LABELS_NAME
from projgan.errors import ResourceError, UsageError
from projgan.storage import fsync


def write_zip(
    prepared: PreparedSet, out: Path, *, progress: Callable[[int, int], None] | None = None
) -> None:
    """Write `prepared` to the new file `out`, whole or not at all.

    The same set gives the same bytes. Names of the original files are not kept.

    Args:
        progress: called with (pictures done, pictures in all).
    Raises: UsageError: if `out` exists, or for pictures with transparency. ResourceError: if the
        disk is full or refuses to write.
    """
    out = Path(out)
    require_zip_mode(prepared.mode, out)
    if out.exists():
        raise UsageError(
            "the output exists already",
            where=str(out),
            safe="nothing was changed",
            next_command="choose another name, or add --overwrite to move it aside",
        )
    temporary = out.with_name(f".{out.name}.{os.getpid()}.tmp")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_STORED) as archive:
            _write_members(archive, prepared, progress)
        fsync(temporary)
        temporary.rename(out)
        fsync(out.parent)
    except OSError as error:
        raise ResourceError(
            f"cannot write the zip: {error.strerror or error}",
            where=str(out),
            safe="nothing half-written was kept",
            next_command="make room or fix the disk, then run the same command again",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def require_zip_mode(mode: str, out: Path) -> None:
    """Raise `UsageError` if the zip cannot hold pictures of this mode."""
    if mode == "rgba":
        raise UsageError(
            "the zip of the StyleGAN tools holds no transparency",
            where=str(out),
            safe="nothing was written",
            next_command=f"--out {out.with_suffix('')}    (a folder, which does), or --mode rgb",
        )


def member_name(index: int) -> str:
    """Where picture `index` lies: 1234 -> 00001/img00001234.png."""
    digits = f"{index:08d}"
    return f"{digits[:5]}/img{digits}.png"


def _write_members(
    archive: zipfile.ZipFile, prepared: PreparedSet, progress: Callable[[int, int], None] | None
) -> None:
    for index, pixels in enumerate(prepared.pixels):
        buffer = io.BytesIO()
        plane = pixels[:, :, 0] if pixels.shape[2] == 1 else pixels
        Image.fromarray(plane).save(buffer, "PNG", compress_level=0)
        # ZipInfo's own date of 1980 instead of now keeps the bytes the same.
        archive.writestr(zipfile.ZipInfo(member_name(index)), buffer.getvalue())
        if progress is not None:
            progress(index + 1, len(prepared))
    content: dict[str, object] = {"labels": None}
    if prepared.labels is not None:
        content["labels"] = [[member_name(i), label] for i, label in enumerate(prepared.labels)]
        content["class_names"] = prepared.class_names
    archive.writestr(zipfile.ZipInfo(LABELS_NAME), json.dumps(content))
