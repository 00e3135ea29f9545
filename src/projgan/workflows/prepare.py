"""Pictures into a prepared set or a zip; or only a look at them."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from projgan.config.schema import DataConfig
from projgan.data import prepare as preparing
from projgan.data.archive import write_zip
from projgan.data.dataset import PreparedSet
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
    """Write a zip (if `out` ends in .zip) or a prepared folder; with `out` None only judge the pictures.

    The zip is the form that the StyleGAN tools share; the folder is what training maps into memory.
    Raises: as `projgan.data.prepare.prepare`. With `overwrite` an existing output is moved aside.
    """
    watch = watch or Watch()

    def progress(done: int, total: int) -> None:
        watch.progress("preparing pictures", done, total)

    if out is None:
        return PrepareResult(None, preparing.check(config, progress=progress), 0, "")
    if out.exists() and overwrite:
        out.rename(first_free(out))
    if out.suffix.lower() == ".zip":
        prepared = preparing.open_cached(config, progress=progress)
        write_zip(
            prepared, out, progress=lambda done, total: watch.progress("writing", done, total)
        )
    else:
        prepared = preparing.prepare(config, out, progress=progress)
    return _result(out, prepared)


def _result(out: Path, prepared: PreparedSet) -> PrepareResult:
    num_classes = len(prepared.class_names or ())
    return PrepareResult(out, prepared.report, num_classes, prepared.fingerprint)
