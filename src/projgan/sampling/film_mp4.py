"""MP4 (H.264) through the ffmpeg that the package imageio-ffmpeg brings along (extra "video")."""

from __future__ import annotations

import contextlib
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from PIL import Image

from projgan.errors import ResourceError, UsageError

CONSTANT_RATE_FACTOR = 18
"""x264's quality: lower is better; 18 is about where the eye stops seeing a difference."""


def require_mp4_support() -> str:
    """The path of ffmpeg.

    Raises:
        UsageError: if the package or its program is missing.
    """
    try:
        import imageio_ffmpeg  # noqa: PLC0415 - optional

        return str(imageio_ffmpeg.get_ffmpeg_exe())
    except (ImportError, RuntimeError) as error:
        raise UsageError(
            "an .mp4 film needs ffmpeg, which is not installed; .gif and .webp work without",
            next_command='pip install "projgan[video]"',
        ) from error


def write_mp4(frames: Iterator[Image.Image], path: Path, fps: int) -> None:
    """Write RGB frames of equal size as H.264 with 4:2:0 colour, which every player can show.

    An odd width or height, which 4:2:0 cannot have, gets its last column or row twice.

    Raises:
        UsageError: without ffmpeg.
        ResourceError: if ffmpeg fails; says its last words.
    """
    ffmpeg = require_mp4_support()
    first = _even(next(frames))
    # A file, not a pipe: nobody reads while frames are written, and a full pipe would block.
    with tempfile.TemporaryFile() as messages:
        process = subprocess.Popen(
            _command(ffmpeg, (first.shape[1], first.shape[0]), fps, path),
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=messages,
        )
        assert process.stdin is not None, "ffmpeg was started with a pipe"
        try:
            process.stdin.write(first.tobytes())
            for frame in frames:
                process.stdin.write(_even(frame).tobytes())
        except BrokenPipeError:
            pass  # ffmpeg stopped early: its exit code and message say why
        except BaseException:
            process.kill()
            raise
        finally:
            with contextlib.suppress(BrokenPipeError):
                process.stdin.close()
            exit_code = process.wait()
        if exit_code != 0:
            messages.seek(0)
            lines = messages.read().decode("utf-8", "replace").strip().splitlines()
            reason = lines[-1] if lines else f"exit code {exit_code}"
            raise ResourceError(f"ffmpeg could not write the film: {reason}", where=str(path))


def _command(ffmpeg: str, size: tuple[int, int], fps: int, path: Path) -> list[str]:
    pixels = ["-f", "rawvideo", "-pix_fmt", "rgb24", "-s", f"{size[0]}x{size[1]}", "-r", str(fps)]
    # Without a named matrix players guess from the size, and small films get wrong colours.
    colour = ["-vf", "scale=out_color_matrix=bt709:out_range=tv", "-color_range", "tv"]
    for option in ("-colorspace", "-color_primaries", "-color_trc"):
        colour += [option, "bt709"]
    codec = ["-c:v", "libx264", "-crf", str(CONSTANT_RATE_FACTOR), "-pix_fmt", "yuv420p"]
    # Index first: a browser can start to play before it has the whole file.
    container = ["-movflags", "+faststart", "-f", "mp4"]
    out = f"file:{path}"  # "a:b.mp4" alone would be taken for an address
    return [ffmpeg, "-y", "-v", "error", *pixels, "-i", "-", *colour, *codec, *container, out]


def _even(frame: Image.Image) -> np.ndarray:
    """(H, W, 3) uint8 with even H and W."""
    pixels = np.asarray(frame)
    rows, columns = pixels.shape[0] % 2, pixels.shape[1] % 2
    if rows or columns:
        pixels = np.pad(pixels, ((0, rows), (0, columns), (0, 0)), mode="edge")
    return pixels
