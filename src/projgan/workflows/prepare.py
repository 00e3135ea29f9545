"""Pictures into a prepared set or a zip; or only a look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from projgan.config.pictures import DataConfig
from projgan.data import prepare as preparing
from projgan.data.archive import require_zip_mode, write_zip
from projgan.data.report import Report
from projgan.rundir import first_free
from projgan.workflows.watch import Watch


@dataclass(frozen=True)
class PrepareResult:
    """What was written, or would be."""

    out: Path | None
    report: Report
    num_classes: int
    fingerprint: str


def prepare_pictures(
    config: DataConfig,
    out: Path | None,
    *,
    overwrite: bool = False,
    watch: Watch | None = None,
) -> PrepareResult:
    """Write a zip (if `out` ends in .zip) or a prepared folder; if `out` is None, only judge.

    The zip is the form that the StyleGAN tools share; the folder is what training maps into memory.
    Raises: as `projgan.data.prepare.prepare`. With `overwrite` an existing output is moved aside.
    """
    watch = watch or Watch()

    def progress(done: int, total: int) -> None:
        watch.progress("preparing pictures", done, total)

    if out is None:
        return PrepareResult(None, preparing.check(config, progress=progress), 0, "")
    preparing.require_outside(out, Path(config.path))
    target = first_free(out) if out.exists() and overwrite else out
    if out.suffix.lower() == ".zip":
        require_zip_mode(config.mode, out)
        prepared = preparing.open_cached(config, progress=progress)
        write_zip(
            prepared, target, progress=lambda done, total: watch.progress("writing", done, total)
        )
    else:
        prepared = preparing.prepare(config, target, progress=progress)
    if target != out:
        _exchange(target, out)
    num_classes = len(prepared.class_names or ())
    return PrepareResult(out, prepared.report, num_classes, prepared.fingerprint)


def _exchange(new: Path, old: Path) -> None:
    """Give the finished `new` the name of `old`, which keeps the name that `new` had."""
    between = first_free(new)
    old.rename(between)
    new.rename(old)
    between.rename(new)
