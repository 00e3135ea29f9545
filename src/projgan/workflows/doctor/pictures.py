"""`projgan doctor DATA`: what a set of pictures is, and how to train on it."""

from __future__ import annotations

import shlex
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np

from projgan.config.load import override
from projgan.config.schema import RunConfig
from projgan.data.prepare import require_outside
from projgan.errors import DataError, printable
from projgan.images import save_image
from projgan.workflows.doctor import sheets
from projgan.workflows.doctor.advice import common_ratio
from projgan.workflows.doctor.alike import Group, compared, find_groups
from projgan.workflows.doctor.diagnosis import BAD_PICTURES, Diagnosis
from projgan.workflows.doctor.looking import Look, look_at
from projgan.workflows.doctor.suggestion import (
    MAX_BAD,
    Effort,
    choose_preset,
    choose_settings,
    command,
)
from projgan.workflows.doctor.unusual import APART, LEAST, tell_sides, unusualness
from projgan.workflows.watch import Watch

FEW = 100
"""Below this, a generator mostly repeats the pictures."""
_SHOWN = 3


def examine_pictures(
    path: str,
    out: Path | None,
    *,
    effort: Effort | None = None,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> Diagnosis:
    """Look at the pictures of a folder, a zip or a prepared set, which is only read.

    Args:
        out: a folder for `sheet.png`, `unusual.png` and `alike.png`; None: no pictures.
        overwrite: move an existing `out` aside.
    Raises: DataError: no picture can be used. UsageError: `out` exists, or lies in the set.
        ResourceError: the device is not there.
    """
    watch, effort = watch or Watch(), effort or Effort()
    if out is not None:
        require_outside(out, Path(path))
        sheets.require_free(out, overwrite=overwrite)
    settled = override(RunConfig(), effort.settings)  # refuses wrong settings before the long look
    workers = settled.training.threads or 2
    look = look_at(path, look=effort.look, progress=watch.progress, workers=workers)
    if not len(look):
        raise _nothing_usable(path, look)
    diagnosis = Diagnosis("data", facts={"path": path})
    groups = _say_alike(diagnosis, look)
    _say_files(diagnosis, look, path)
    unusual = _say_unusual(diagnosis, look)
    mirrored = sum(len(group.mirrored) for group in groups)
    sides = tell_sides(look.features[look.mirrored_of], look.mirrored)
    options = choose_settings(diagnosis, look, sides, mirrored)
    chosen = choose_preset(diagnosis, look, path, options, effort, watch)
    if out is not None:
        _draw(diagnosis, look, path, out, groups, unusual)
    diagnosis.next_command = command(path, look, options, chosen, effort)
    return diagnosis


def _nothing_usable(path: str, look: Look) -> DataError:
    reasons = [f"{printable(n)}: {printable(r)}" for n, r in list(look.report.rejected.items())[:2]]
    return DataError(
        "\n".join([f"none of {look.report.found} pictures can be used", *reasons]),
        where=path,
        next_command=f"projgan prepare {shlex.quote(path)} --dry-run --json    (lists all)",
    )


def _say_files(diagnosis: Diagnosis, look: Look, path: str) -> None:
    """Counts, what cannot be used, sizes, shapes and modes."""
    report, sizes = look.report, look.sizes
    diagnosis.rows.insert(0, ("pictures", f"{len(look)} of {report.found} can be used"))
    if report.rejected:
        reasons = Counter(reason.split(" (")[0] for reason in report.rejected.values())
        why = ", ".join(f"{n} {printable(reason)}" for reason, n in reasons.most_common(_SHOWN))
        named = ", ".join(printable(name) for name in list(report.rejected)[:_SHOWN])
        diagnosis.rows.insert(1, ("unusable", f"{why}: {named}"))
        what = f"{len(report.rejected)} of {report.found} pictures cannot be used"
        if report.bad_share > MAX_BAD:
            diagnosis.fault(f"{what}: repair or remove them", BAD_PICTURES)
        else:
            diagnosis.advise(what)
    if look.prepared is not None:
        diagnosis.say("prepared", f"already, at {look.prepared.description}")
    shorter, ratio = sizes.min(axis=1), common_ratio(sizes)
    low, middle, high = (int(v) for v in np.quantile(shorter, (0.1, 0.5, 0.9)))
    smallest, largest = sizes[shorter.argmin()], sizes[shorter.argmax()]
    sides = f"{low} px at the lowest tenth, {middle} at the median, {high} at the highest tenth"
    if shorter.min() == shorter.max():
        sides = f"{middle} px in all"
    diagnosis.say("sizes", f"{_size(smallest)} to {_size(largest)}; shorter side {sides}")
    wide = float((sizes[:, 0] > 1.12 * sizes[:, 1]).mean())
    tall = float((sizes[:, 1] > 1.12 * sizes[:, 0]).mean())
    diagnosis.say(
        "shapes",
        f"{wide:.0%} wide, {tall:.0%} tall, {1 - wide - tall:.0%} about square; "
        f"{ratio[1]:.0%} within 12% of {ratio[0]:.2f} : 1",
    )
    kinds = [f"{number} {what}" for what, number in report.facts.items()]
    kinds.append(f"{int(look.is_grey.sum())} without colour")
    diagnosis.say("kinds", ", ".join(kinds))
    for what, number in report.skipped.items():
        diagnosis.say("passed over", f"{number} {what}")
    if report.doubtful:
        name, fact = next(iter(report.doubtful.items()))
        doubtful = f"{len(report.doubtful)} with doubtful colours"
        diagnosis.advise(f"{doubtful}: {printable(name)} ({fact})")
    if len(look) < FEW:
        diagnosis.advise(
            f"a set of {len(look)} is small: the generator will mostly repeat it; "
            "more of the same kind help most, or starting from another run (--from)"
        )
    diagnosis.facts |= report.as_dict() | {
        "usable": len(look),
        "shorter_side": {"lowest_tenth": low, "median": middle, "highest_tenth": high},
        "wide": wide,
        "tall": tall,
        "ratio": ratio[0],
        "grey": int(look.is_grey.sum()),
        "transparent": int(look.is_transparent.sum()),
    }


def _say_alike(diagnosis: Diagnosis, look: Look) -> list[Group]:
    """Exact duplicates and near-duplicates, by name; returns the groups of the latter."""
    report, names = look.report, look.names
    extra = sum(len(group) - 1 for group in report.duplicates)
    if extra:
        equal = " = ".join(map(printable, report.duplicates[0][:_SHOWN]))
        diagnosis.say("duplicates", f"{extra} equal to another, to the byte: {equal}")
        diagnosis.advise(f"exact duplicates ({extra}): the command below leaves them out")
    first_of: dict[str, int] = {}
    for index, sha in enumerate(look.hashes):
        first_of.setdefault(sha, index)
    distinct = list(first_of.values())
    taken = [distinct[k] for k in compared(len(distinct))]
    groups = [
        Group(
            tuple(taken[i] for i in group.indices),
            tuple((taken[i], taken[j]) for i, j in group.mirrored),
        )
        for group in find_groups(look.small[taken])
    ]
    mirrored = [pair for group in groups for pair in group.mirrored]
    more = sum(len(group.indices) - 1 for group in groups)
    if groups:
        shown = "; ".join(
            " ~ ".join(printable(names[i]) for i in group.indices[:_SHOWN])
            + (" (mirrored)" if group.mirrored else "")
            for group in groups[:_SHOWN]
        )
        rest = f"; and {len(groups) - _SHOWN} groups more" if len(groups) > _SHOWN else ""
        diagnosis.say("look-alikes", f"{len(groups)} group{'s' * (len(groups) > 1)}: {shown}{rest}")
        diagnosis.advise(f"{more} of the pictures look like another: keep one of each group")
    else:
        diagnosis.say("look-alikes", f"none among {len(taken)} pictures, upright or mirrored")
    diagnosis.facts["look_alikes"] = [[names[i] for i in group.indices] for group in groups]
    diagnosis.facts["mirrored"] = [[names[i], names[j]] for i, j in mirrored]
    return groups


def _say_unusual(diagnosis: Diagnosis, look: Look) -> list[tuple[int, float]]:
    """The most unusual pictures with their scores, the most unusual first."""
    if len(look.features) < LEAST:
        why = "" if not len(look.features) else f": {len(look.features)} pictures are too few"
        diagnosis.say("unusual", f"not looked for{why}")
        diagnosis.facts["unusual"] = []
        return []
    scores = unusualness(look.features)
    order = scores.argsort(descending=True)[: sheets.UNUSUAL_MOST].tolist()
    ranked = [(int(look.seen[k]), float(scores[k])) for k in order]
    apart = [(index, score) for index, score in ranked if score >= APART]
    total = int((scores >= APART).sum())
    first = ", ".join(
        f"{printable(look.names[i])} ({score:+.1f})" for i, score in (apart or ranked)[:_SHOWN]
    )
    seen = f"of {len(scores)} looked at through lite1"
    if apart:
        diagnosis.say("unusual", f"{total} {seen}: {first}")
        diagnosis.advise(f"{total} of the pictures are unlike the others: see whether they belong")
    else:
        diagnosis.say("unusual", f"none {seen}; the most unusual: {first}")
    diagnosis.facts["unusual"] = [[look.names[i], round(score, 2)] for i, score in ranked]
    diagnosis.facts["outliers"] = total
    return ranked


def _draw(
    diagnosis: Diagnosis,
    look: Look,
    path: str,
    out: Path,
    groups: list[Group],
    unusual: list[tuple[int, float]],
) -> None:
    """The pictures of the examination, and where they are."""
    sheets.make_folder(out)
    count = min(len(look), sheets.SHEET_MOST)
    chosen = [int(k) for k in np.arange(count) * len(look) // count]
    written = {"sheet.png": f"{count} of the pictures"}
    with sheets.cells_of(path, look) as show:
        save_image(sheets.sheet(show, chosen), out / "sheet.png")
        if unusual:
            save_image(sheets.unusual_sheet(show, unusual, look.names), out / "unusual.png")
            written["unusual.png"] = f"the {len(unusual)} most unusual"
        if groups:
            save_image(sheets.group_sheet(show, groups, look.names), out / "alike.png")
            written["alike.png"] = "look-alikes, a row each"
    diagnosis.say("pictures", f"in {out}: " + ", ".join(f"{n} ({w})" for n, w in written.items()))
    diagnosis.facts["written"] = [str(out / name) for name in written]


def _size(pair: Any) -> str:
    return f"{pair[0]}x{pair[1]}"
