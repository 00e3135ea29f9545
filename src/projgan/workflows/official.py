"""Import: from an official checkpoint file to a snapshot folder."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from projgan import __version__, storage
from projgan.errors import ProjganError, UsageError
from projgan.importers.fitting import build, fit_generator
from projgan.importers.modules import find_generator
from projgan.importers.reader import read_file
from projgan.snapshot import Snapshot

LICENCE = (
    "imported weights keep the licence of whoever made them, which often forbids commercial use"
)


@dataclass(frozen=True)
class Imported:
    """What was imported.

    Attributes:
        folder: of the snapshot.
    """

    folder: Path
    snapshot: Snapshot

    def as_dict(self) -> dict[str, object]:
        """The facts, for `--json`."""
        config = self.snapshot.config
        return {
            "out": str(self.folder),
            "generator": config.generator.name,
            "z_dim": config.generator.z_dim,
            "width": config.generator.width,
            "resolution": config.data.resolution,
            "classes": len(config.data.classes),
            "images_seen": self.snapshot.images_seen,
            "licence": LICENCE,
        }


def import_official(file: Path, out: Path, *, overwrite: bool = False) -> Imported:
    """Read `file` without running anything in it, and write its generator as the snapshot `out`.

    Args:
        overwrite: replace a snapshot that is there; nothing else is ever replaced.
    Raises: UsageError: there is no such file, or `out` exists. CheckpointError: it is damaged, or
        holds nothing that fits. RefusedError: it asks for something outside the closed lists.
    """
    _require_free(out, overwrite=overwrite)
    content = read_file(file)
    try:
        checkpoint = find_generator(content)
        fit = fit_generator(checkpoint.generator)
        generator = build(checkpoint.generator, fit)
    except ProjganError as error:
        error.where = error.where or str(file)
        error.safe = error.safe or "nothing was written"
        raise
    snapshot = Snapshot(generator, fit.config, images_seen=checkpoint.images_seen)
    origin = {
        "file": file.name,
        "sha256": storage.sha256_of(file),
        "projgan": __version__,
        "licence": LICENCE,
    }
    out.parent.mkdir(parents=True, exist_ok=True)
    snapshot.save(out, origin=origin, replace=overwrite)
    return Imported(out, snapshot)


def _require_free(out: Path, *, overwrite: bool) -> None:
    if not out.exists() or (overwrite and (out / "snapshot.json").is_file()):
        return
    what = "it exists already" if not overwrite else "it exists and is no snapshot"
    raise UsageError(
        what,
        where=str(out),
        safe="nothing was changed",
        next_command="choose another --out" + ("" if overwrite else ", or --overwrite a snapshot"),
    )
