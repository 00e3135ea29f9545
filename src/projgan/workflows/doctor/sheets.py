"""Pictures of a set for its owner: a contact sheet, the most unusual ones, and look-alikes."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath

from PIL import Image, ImageDraw, ImageFont

from projgan.data.decode import Rules, decode
from projgan.data.report import Unusable
from projgan.data.scan import open_source
from projgan.errors import UsageError
from projgan.images import on_white
from projgan.rundir import first_free
from projgan.workflows.doctor.alike import Group
from projgan.workflows.doctor.looking import Look, pil_of

CELL = 128
"""Side of a cell in pixels."""
SHEET_MOST = 100
UNUSUAL_MOST = 24
GROUPS_MOST = 12
GROUP_MOST = 6

_TEXT = 12
_LINE = 15
_GAP = 4
_LETTERS = 20
_INK, _PAPER = (40, 40, 40), (255, 255, 255)

Show = Callable[[int], Image.Image]


@contextlib.contextmanager
def cells_of(path: str, look: Look):  # type: ignore[no-untyped-def]
    """Opens the set once more; the function that it gives takes an index to a picture of a cell."""
    if look.prepared is not None:
        prepared = look.prepared
        yield lambda index: _inside(pil_of(prepared, index))
        return
    with contextlib.closing(open_source(path)) as source:
        rules = Rules(CELL, "pad", _PAPER)

        def show(index: int) -> Image.Image:
            try:
                picture = decode(source.read(look.names[index]), rules)
            except Unusable:  # it was there a minute ago
                return Image.new("RGB", (CELL, CELL), (200, 200, 200))
            return Image.fromarray(picture.pixels)

        yield show


def require_free(out: Path, *, overwrite: bool) -> None:
    """Raise `UsageError` if `out` exists and may not be moved aside."""
    if (out.exists() or out.is_symlink()) and not overwrite:
        raise UsageError(
            "the output exists already",
            where=str(out),
            safe="nothing was changed",
            next_command="choose another --out, or add --overwrite to move it aside, "
            "or --dry-run for no pictures",
        )


def make_folder(out: Path) -> None:
    """An empty folder; an existing one is moved aside."""
    if out.exists() or out.is_symlink():
        out.rename(first_free(out))
    out.mkdir(parents=True)


def sheet(show: Show, chosen: Sequence[int]) -> Image.Image:
    """Pictures side by side, without names."""
    return _table([[(show(index), ()) for index in row] for row in _rows(chosen, 10)], lines=0)


def unusual_sheet(
    show: Show, chosen: Sequence[tuple[int, float]], names: Sequence[str]
) -> Image.Image:
    """The most unusual pictures, each with its name and how unusual it is."""
    rows = _rows(chosen, 6)
    return _table(
        [[(show(i), (names[i], f"{score:+.1f}")) for i, score in row] for row in rows], lines=2
    )


def group_sheet(show: Show, groups: Sequence[Group], names: Sequence[str]) -> Image.Image:
    """A row for each group of look-alikes, mirrored ones marked."""
    rows = []
    for group in groups[:GROUPS_MOST]:
        mirrored = {later for _, later in group.mirrored}
        shown, rest = group.indices[:GROUP_MOST], len(group.indices) - GROUP_MOST
        notes = ["mirrored" if index in mirrored else "" for index in shown]
        if rest > 0:
            notes[-1] = f"{notes[-1]} and {rest} more".strip()
        rows.append([(show(i), (names[i], note)) for i, note in zip(shown, notes, strict=True)])
    return _table(rows, lines=2)


def _rows(items: Sequence, columns: int) -> list[Sequence]:  # type: ignore[type-arg]
    return [items[start : start + columns] for start in range(0, len(items), columns)]


def _table(
    rows: Sequence[Sequence[tuple[Image.Image, tuple[str, ...]]]], *, lines: int
) -> Image.Image:
    """Cells with so many lines of text below each."""
    width, height = CELL + _GAP, CELL + _GAP + lines * _LINE
    columns = max(len(row) for row in rows)
    canvas = Image.new("RGB", (columns * width + _GAP, len(rows) * height + _GAP), _PAPER)
    pen, font = ImageDraw.Draw(canvas), ImageFont.load_default(_TEXT)
    for y, row in enumerate(rows):
        for x, (picture, texts) in enumerate(row):
            left, top = _GAP + x * width, _GAP + y * height
            canvas.paste(picture, (left, top))
            for number, text in enumerate(texts):
                place = (left, top + CELL + number * _LINE)
                pen.text(place, _short(text), fill=_INK, font=font)
    return canvas


def _short(name: str) -> str:
    """The end of a name that fits under a cell, in letters that the built-in font has."""
    plain = PurePosixPath(name).name.encode("ascii", "replace").decode("ascii")
    return plain if len(plain) <= _LETTERS else f"..{plain[2 - _LETTERS :]}"


def _inside(picture: Image.Image) -> Image.Image:
    """In the middle of a white cell, its ratio kept."""
    seen = on_white(picture).convert("RGB")
    scale = CELL / max(seen.size)
    size = tuple(max(1, round(side * scale)) for side in seen.size)
    canvas = Image.new("RGB", (CELL, CELL), _PAPER)
    canvas.paste(
        seen.resize(size, Image.Resampling.LANCZOS),  # type: ignore[arg-type]
        ((CELL - size[0]) // 2, (CELL - size[1]) // 2),
    )
    return canvas
