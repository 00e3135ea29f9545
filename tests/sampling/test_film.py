"""Films, read back: every frame there, in order, in time, and nothing half-written."""

from __future__ import annotations

import itertools
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageSequence

from projgan.errors import ResourceError, UsageError
from projgan.sampling import film_mp4
from projgan.sampling.film import write_film
from projgan.sampling.timing import frame_durations

COUNT = 12


def frame(number: int, *, size: tuple[int, int] = (48, 32), count: int = COUNT) -> Image.Image:
    """A bright square that goes round a dim, coloured ground once in `count` frames."""
    width, height = size
    turn = 2 * np.pi * number / count
    x, y = width / 2 + width / 4 * np.cos(turn), height / 2 + height / 4 * np.sin(turn)
    columns, rows = np.meshgrid(np.arange(width), np.arange(height))
    ground = np.stack([60 + 0 * rows, 2 * rows, 90 + columns], axis=2)
    is_square = (np.abs(columns - x) < 5) & (np.abs(rows - y) < 5)
    ground[is_square] = (240, 210, 60)
    return Image.fromarray(ground.astype(np.uint8))


def frames(count: int = COUNT) -> list[Image.Image]:
    return [frame(number, count=count) for number in range(count)]


def difference(a: Image.Image, b: Image.Image) -> float:
    """Mean absolute difference in grey levels."""
    return float(
        np.abs(
            np.asarray(a.convert("RGB"), dtype=float) - np.asarray(b.convert("RGB"), dtype=float)
        ).mean()
    )


def read(path: Path) -> tuple[list[Image.Image], list[int], int]:
    """Frames, durations in ms and the loop count that Pillow finds."""
    pictures, durations = [], []
    with Image.open(path) as film:
        for picture in ImageSequence.Iterator(film):
            pictures.append(picture.convert("RGB"))
            durations.append(film.info["duration"])
        return pictures, durations, film.info["loop"]


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".GIF"])
def test_what_goes_in_comes_out(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"walk{suffix}"
    write_film(iter(frames()), path, fps=25)
    pictures, durations, loop = read(path)
    assert len(pictures) == COUNT
    assert loop == 0
    assert durations == [40] * COUNT
    for number, picture in enumerate(pictures):
        assert picture.size == (48, 32)
        assert difference(picture, frame(number)) < 6
        assert difference(picture, frame(number + 3)) > 8
    assert [child.name for child in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_the_loop_has_no_hitch(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"loop{suffix}"
    write_film(frames(24), path, fps=20)
    pictures, _, _ = read(path)
    steps = [difference(a, b) for a, b in zip(pictures, pictures[1:] + pictures[:1], strict=True)]
    assert steps[-1] <= 1.2 * max(steps[:-1])


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_a_film_of_thirty_frames_a_second_has_the_right_length(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"walk{suffix}"
    write_film(frames(30), path, fps=30)
    _, durations, _ = read(path)
    assert len(durations) == 30
    assert sum(durations) == 1000


def test_a_standing_picture_keeps_its_time(tmp_path: Path) -> None:
    """Pillow joins equal frames of a GIF; their time must add up."""
    path = tmp_path / "still.gif"
    write_film([frame(0)] * 4 + [frame(3)] * 2, path, fps=10)
    _, durations, _ = read(path)
    assert durations == [400, 200]


def test_durations_do_not_drift() -> None:
    for fps, unit in itertools.product((1, 7, 24, 30, 50), (1, 10)):
        total = sum(itertools.islice(frame_durations(fps, unit_ms=unit), 1000))
        assert abs(total - 1_000_000 / fps) <= unit / 2


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_one_frame_is_a_film(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"one{suffix}"
    write_film([frame(0)], path, fps=10)
    with Image.open(path) as film:
        assert difference(film, frame(0)) < 6


def test_frames_are_taken_one_at_a_time(tmp_path: Path) -> None:
    """A frame is made only when the one before it has been encoded and counted."""
    events: list[str] = []

    def make() -> Iterator[Image.Image]:
        for number in range(3):
            events.append(f"made {number}")
            yield frame(number)

    write_film(
        make(), tmp_path / "a.webp", fps=10, progress=lambda done: events.append(f"done {done}")
    )
    assert events == ["made 0", "done 1", "made 1", "done 2", "made 2", "done 3"]


@pytest.mark.parametrize("mode", ["RGBA", "L", "P"])
def test_other_modes_and_metadata(tmp_path: Path, mode: str) -> None:
    odd = frame(0).quantize(32) if mode == "P" else frame(0).convert(mode)
    odd.info["exif"] = b"Exif\0\0secret-place"
    path = tmp_path / "a.webp"
    write_film([odd, odd], path, fps=10)
    assert b"secret-place" not in path.read_bytes()
    pictures, _, _ = read(path)
    assert difference(pictures[0], odd) < 6


def test_an_existing_film_is_kept_unless_told_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "walk.gif"
    path.write_bytes(b"mine")
    with pytest.raises(UsageError, match="exists") as caught:
        write_film(frames(), path, fps=10)
    assert "--overwrite" in str(caught.value)
    assert path.read_bytes() == b"mine"
    write_film(frames(), path, fps=10, overwrite=True)
    assert len(read(path)[0]) == COUNT


def failing_frames() -> Iterator[Image.Image]:
    yield frame(0)
    yield frame(1)
    raise RuntimeError("the generator broke")


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".mp4"])
def test_a_broken_walk_leaves_nothing_new_and_nothing_lost(tmp_path: Path, suffix: str) -> None:
    if suffix == ".mp4":
        pytest.importorskip("imageio_ffmpeg", reason="skipped: extra video is not installed")
    path = tmp_path / f"walk{suffix}"
    path.write_bytes(b"mine")
    with pytest.raises(RuntimeError, match="broke"):
        write_film(failing_frames(), path, fps=10, overwrite=True)
    assert [child.name for child in tmp_path.iterdir()] == [path.name]
    assert path.read_bytes() == b"mine"


def test_nonsense_is_refused_before_a_frame_is_made(tmp_path: Path) -> None:
    def never() -> Iterator[Image.Image]:
        yield pytest.fail("a frame was made")

    with pytest.raises(UsageError, match=r"known: \.gif, \.webp, \.mp4"):
        write_film(never(), tmp_path / "walk.avi", fps=10)
    with pytest.raises(UsageError, match="known"):
        write_film(never(), tmp_path / "walk", fps=10)
    for name, fps in (("a.gif", 0), ("a.gif", 60), ("a.webp", 121)):
        with pytest.raises(UsageError, match="choose 1 to"):
            write_film(never(), tmp_path / name, fps=fps)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".gif", ".webp"])
def test_no_frames_and_unequal_frames_are_refused(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"walk{suffix}"
    with pytest.raises(UsageError, match="at least one"):
        write_film([], path, fps=10)
    with pytest.raises(UsageError, match="frame 2"):
        write_film([frame(0), frame(1, size=(32, 32))], path, fps=10)
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_refuses_is_a_resource_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ResourceError, match="No space left"):
        write_film(frames(), tmp_path / "walk.gif", fps=10)
    assert list(tmp_path.iterdir()) == []


def test_mp4_without_ffmpeg_names_the_extra(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "imageio_ffmpeg", None)
    with pytest.raises(UsageError, match=r'pip install "projgan\[video\]"'):
        write_film(frames(), tmp_path / "walk.mp4", fps=10)


def decode(path: Path, size: tuple[int, int]) -> np.ndarray:
    """(N, H, W, 3) uint8, by ffmpeg."""
    ffmpeg = film_mp4.require_mp4_support()
    command = [ffmpeg, "-v", "error", "-i", str(path), "-f", "rawvideo", "-pix_fmt", "rgb24", "-"]
    raw = subprocess.run(command, capture_output=True, check=True).stdout
    return np.frombuffer(raw, dtype=np.uint8).reshape(-1, size[1], size[0], 3)


@pytest.mark.parametrize("name", ["walk.mp4", "a: 100% walk.mp4"])
def test_mp4_holds_every_frame_in_true_colours(tmp_path: Path, name: str) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="skipped: extra video is not installed")
    path = tmp_path / name
    write_film(iter(frames()), path, fps=25)
    decoded = decode(path, (48, 32))
    assert len(decoded) == COUNT
    for number in range(COUNT):
        assert difference(Image.fromarray(decoded[number]), frame(number)) < 6
    assert [child.name for child in tmp_path.iterdir()] == [name]
    header = path.read_bytes()
    assert b"avc1" in header
    assert header.index(b"moov") < header.index(b"mdat")


def test_mp4_of_odd_size_repeats_its_edge(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="skipped: extra video is not installed")
    path = tmp_path / "odd.mp4"
    write_film([frame(number, size=(33, 35)) for number in range(3)], path, fps=10)
    decoded = decode(path, (34, 36))
    assert len(decoded) == 3
    assert difference(Image.fromarray(decoded[1][:35, :33]), frame(1, size=(33, 35))) < 6


def test_mp4_that_ffmpeg_refuses_is_a_resource_error(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="skipped: extra video is not installed")
    missing = tmp_path / "not-there" / "walk.mp4"
    with pytest.raises(ResourceError, match="ffmpeg could not write"):
        film_mp4.write_mp4(iter(frames()), missing, 10)


def test_transparency_stays_in_webp_and_becomes_white_elsewhere(tmp_path: Path) -> None:
    def clear(number: int) -> Image.Image:
        image = Image.new("RGBA", (32, 32), (0, 0, 255, 0))
        ImageDraw.Draw(image).ellipse((8, 8, 24, 24), fill=(255, 40 * number, 0, 255))
        return image

    for suffix in (".webp", ".gif"):
        write_film(map(clear, range(3)), tmp_path / f"walk{suffix}", fps=10)
    with Image.open(tmp_path / "walk.webp") as film:
        assert film.n_frames == 3
        for number, picture in enumerate(ImageSequence.Iterator(film)):
            pixels = np.asarray(picture.convert("RGBA")).astype(int)
            assert (pixels[:8, :, 3] == 0).all() and (pixels[12:20, 12:20, 3] == 255).all()
            assert np.abs(pixels[16, 16, :3] - (255, 40 * number, 0)).max() < 60
    for picture in read(tmp_path / "walk.gif")[0]:
        pixels = np.asarray(picture).astype(int)
        assert (pixels[:6] > 240).all() and pixels[16, 16, 2] < 60


def test_an_mp4_of_transparent_frames_is_on_white(tmp_path: Path) -> None:
    pytest.importorskip("imageio_ffmpeg", reason="skipped: the video extra is not installed")
    frames = (Image.new("RGBA", (32, 32), (0, 0, 255, 0)) for _ in range(3))
    write_film(frames, tmp_path / "walk.mp4", fps=10)
    import imageio_ffmpeg

    reader = imageio_ffmpeg.read_frames(str(tmp_path / "walk.mp4"))
    next(reader)
    assert np.frombuffer(next(reader), np.uint8).min() > 240
