"""Films from frames: GIF, animated WebP or MP4, chosen by the file's name.

Frames are taken one at a time, so a generator can make them while the film is written. The film
appears under its name only when it is complete.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from PIL import Image

from projgan.errors import ResourceError, UsageError, choose_from
from projgan.images import on_white
from projgan.sampling.film_mp4 import require_mp4_support, write_mp4
from projgan.sampling.timing import frame_durations

FILM_SUFFIXES = (".gif", ".webp", ".mp4")
WEBP_QUALITY = 85
MAX_FPS = 120
MAX_GIF_FPS = 50
"""Browsers play a GIF with delays below 20 ms at 10 frames a second."""


def write_film(
    frames: Iterable[Image.Image],
    path: Path,
    *,
    fps: int,
    overwrite: bool = False,
    progress: Callable[[int], None] | None = None,
) -> None:
    """Write `frames` as one film; GIF and WebP repeat for ever.

    Args:
        frames: pictures of equal size, at least one; any mode. Read once. WebP keeps transparency;
            in the others what is transparent is laid over white.
        path: ends in .gif, .webp or .mp4 (needs the extra "video"). Its folder is made if missing.
        fps: frames a second, 1 to 120 (GIF: 50). GIF counts in hundredths of a second: a frame may
            be 10 ms longer or shorter, the film's length is right.
        overwrite: replace an existing file.
        progress: called with the number of frames taken so far.

    Raises:
        UsageError: unknown suffix, existing file, fps out of range, unequal frames, no frame, or no
            encoder.
        ResourceError: the disk or the encoder refused. In every case `path` is as it was before.
    """
    _check(path, fps, overwrite=overwrite)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    stream = _checked(frames, progress, keeps_alpha=path.suffix.lower() == ".webp")
    try:
        _WRITERS[path.suffix.lower()](stream, temporary, fps)
        temporary.replace(path)
    except OSError as error:
        raise ResourceError(
            f"cannot write the film: {error.strerror or error}",
            where=str(path),
            safe="no file was changed",
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def _check(path: Path, fps: int, *, overwrite: bool) -> None:
    suffix = path.suffix.lower()
    if suffix not in FILM_SUFFIXES:
        raise choose_from("film format", path.suffix, FILM_SUFFIXES)
    limit = MAX_GIF_FPS if suffix == ".gif" else MAX_FPS
    if not 1 <= fps <= limit:
        raise UsageError(
            f"a {suffix} film of {fps} frames a second does not work; choose 1 to {limit}"
        )
    if path.exists() and not overwrite:
        raise UsageError(
            f"{path.name} exists already",
            where=str(path),
            safe="it was not touched",
            next_command="give another name, or --overwrite",
        )
    if suffix == ".mp4":
        require_mp4_support()


def _checked(
    frames: Iterable[Image.Image],
    progress: Callable[[int], None] | None,
    *,
    keeps_alpha: bool,
) -> Iterator[Image.Image]:
    """The frames as RGB (or RGBA) pictures without metadata, after a look at each."""
    size = None
    for number, frame in enumerate(frames, start=1):
        size = size or frame.size
        if frame.size != size:
            raise UsageError(f"frame {number} is {frame.size} pixels, the first one {size}")
        is_kept = keeps_alpha and frame.mode == "RGBA"
        yield frame.convert("RGBA") if is_kept else on_white(frame).convert("RGB")
        if progress is not None:
            progress(number)
    if size is None:
        raise UsageError("a film needs at least one frame")


def _write_gif(frames: Iterator[Image.Image], path: Path, fps: int) -> None:
    """Each frame has its own 256 colours; Pillow holds one byte a pixel until the last is in."""
    timed = map(_to_palette, frames, frame_durations(fps, unit_ms=10))
    first = next(timed)
    with path.open("wb") as handle:
        first.save(handle, format="GIF", save_all=True, append_images=timed, loop=0)


def _to_palette(frame: Image.Image, duration_ms: int) -> Image.Image:
    """256 colours by octree, dithered: of Pillow's ways the one without bands in soft skies."""
    colours = frame.quantize(256, method=Image.Quantize.FASTOCTREE)
    indexed = frame.quantize(palette=colours, dither=Image.Dither.FLOYDSTEINBERG)
    indexed.info = {"duration": duration_ms}
    return indexed


def _write_webp(frames: Iterator[Image.Image], path: Path, fps: int) -> None:
    """Pillow holds all frames of a WebP film, three or four bytes a pixel, until the last is in."""
    pictures = list(frames)
    durations = list(itertools.islice(frame_durations(fps, unit_ms=1), len(pictures)))
    with path.open("wb") as handle:
        pictures[0].save(
            handle,
            format="WEBP",
            save_all=True,
            append_images=pictures[1:],
            duration=durations,
            quality=WEBP_QUALITY,
            loop=0,
        )


_WRITERS = {".gif": _write_gif, ".webp": _write_webp, ".mp4": write_mp4}
assert tuple(_WRITERS) == FILM_SUFFIXES, "every film format needs a writer"
