"""`samples.png`: reals first, then a block for each contender, with the same latents in each."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image, ImageDraw, ImageFont

from projgan.data.dataset import PreparedSet
from projgan.errors import UsageError
from projgan.images import grid, on_white, save_image
from projgan.rng import numpy_stream
from projgan.rundir import RunDir
from projgan.snapshot import Snapshot
from projgan.workflows.comparison.outcomes import Comparison, RunOutcome

COLUMNS = 10
_CELL = 96  # least side of a picture on the sheet, px
_MOST_SEEDS = 4
_LABEL, _LINE, _GAP, _NARROW_GAP, _MARGIN = 230, 22, 24, 4, 16  # px


@dataclass(frozen=True)
class _Block:
    """A grid of pictures, a name for it and the blocks below, and lines of text."""

    name: str
    lines: list[str]
    picture: Image.Image | None


def draw_samples(comparison: Comparison, pictures: PreparedSet) -> None:
    """Draw `samples.png` from the runs' last snapshots; it is replaced as a whole."""
    rows = 2 if len(comparison.terms["seeds"]) == 1 else 1
    order = numpy_stream(0, "reals sheet").permutation(len(pictures))[: COLUMNS * 2]
    reals = _enlarged(grid(pictures.images(order), columns=COLUMNS))
    blocks = [_Block("reals", [f"{len(pictures):,} pictures"], reals)]
    for outcome in comparison.measured:
        for number, run in enumerate(outcome.runs[:_MOST_SEEDS]):
            name = "" if number else outcome.name
            blocks.append(_Block(name, _lines(run, comparison), _samples(run, rows)))
    save_image(_stack(blocks), comparison.samples)


def _lines(run: RunOutcome, comparison: Comparison) -> list[str]:
    assert comparison.measure is not None, "nothing was measured"
    lines = [f"seed {run.seed}, {run.images_seen:,} images"]
    if run.curve is not None:
        lines.append(f"{comparison.measure.name} {run.curve.final.distance:.1f}")
    return [*lines, "diverged"] if run.diverged else lines


def _samples(run: RunOutcome, rows: int) -> Image.Image | None:
    """A grid of the same latents for every run; None without a snapshot."""
    exact = RunDir(run.folder).snapshot(run.images_seen)
    try:
        snapshot = Snapshot.load(exact if exact.exists() else run.folder)
    except UsageError:
        return None
    return _enlarged(grid(snapshot.sample(range(COLUMNS * rows)), columns=COLUMNS))


def _enlarged(picture: Image.Image) -> Image.Image:
    """Small pictures by a whole factor, so that their pixels stay as they are; over white."""
    picture = on_white(picture)
    factor = max(1, -(-_CELL * COLUMNS // picture.width))
    return picture.resize(
        (picture.width * factor, picture.height * factor), Image.Resampling.NEAREST
    )


def _stack(blocks: list[_Block]) -> Image.Image:
    """All blocks below each other, with their text to the left."""
    width = max(block.picture.width for block in blocks if block.picture) + _LABEL + 2 * _MARGIN
    gaps = [_GAP if block.name else _NARROW_GAP for block in blocks]
    height = sum(map(_height, blocks)) + sum(gaps[1:]) + 2 * _MARGIN
    canvas = Image.new("RGB", (width, height), "white")
    top = _MARGIN
    for number, (block, gap) in enumerate(zip(blocks, gaps, strict=True)):
        top += gap if number else 0
        _write(canvas, block, top)
        if block.picture is not None:
            canvas.paste(block.picture, (_MARGIN + _LABEL, top))
        top += _height(block)
    return canvas


def _height(block: _Block) -> int:
    """Of its pictures, or of its text if that is higher."""
    return max(block.picture.height if block.picture else 0, 32 + _LINE * len(block.lines))


def _write(canvas: Image.Image, block: _Block, top: int) -> None:
    draw = ImageDraw.Draw(canvas)
    size = 22
    while draw.textlength(block.name, ImageFont.load_default(size)) > _LABEL - 10 and size > 8:
        size -= 1
    draw.text((_MARGIN, top), block.name, fill="black", font=ImageFont.load_default(size))
    top += 32 if block.name else 0
    for number, line in enumerate(block.lines):
        place = (_MARGIN, top + number * _LINE)
        draw.text(place, line, fill="#555555", font=ImageFont.load_default(15))
