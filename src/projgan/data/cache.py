"""Where prepared sets are kept, and how one is found again without reading a picture.

    sets/FINGERPRINT/     a prepared set, by its content
    listings/KEY.json     which content a source had when its names, sizes and times were these

Pictures that moved or were touched get a new key, but share the set with their old place.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
from pathlib import Path

from projgan.config.pictures import DataConfig
from projgan.data.dataset import PreparedSet
from projgan.data.decode import RULES_VERSION
from projgan.data.publish import publish
from projgan.data.report import Report
from projgan.data.source import LABELS_NAME, Source
from projgan.errors import DataError
from projgan.storage import write_text


def default_cache() -> Path:
    """The user's cache: $PROJGAN_CACHE, or projgan in $XDG_CACHE_HOME or ~/.cache."""
    if own := os.environ.get("PROJGAN_CACHE"):
        return Path(own)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "projgan"


def listing_key(source: Source, config: DataConfig) -> str:
    """A hash of the source's place, names, sizes and times, and of the settings."""
    container = source.path if source.path.is_file() else source.path / LABELS_NAME
    status = container.stat() if container.exists() else None
    rules = [config.resolution, config.fit, config.background.lower(), config.dedupe]
    if config.mode != "rgb":  # without it, so that sets from before there were modes are found
        rules.append(config.mode)
    values = [
        RULES_VERSION,
        str(source.path),
        rules,
        [status.st_size, status.st_mtime_ns] if status else None,
        [dataclasses.astuple(entry) for entry in source.listing.entries],
        source.listing.unreadable,
        source.listing.skipped,
    ]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode("ascii")).hexdigest()


class Cache:
    """Prepared sets in the folder `root`, which need not exist yet."""

    def __init__(self, root: Path) -> None:
        self.root = Path(root)
        self.sets = self.root / "sets"
        self.listings = self.root / "listings"

    def lookup(self, key: str) -> PreparedSet | None:
        """The set that a source with this listing key had, if it is still here and whole."""
        try:
            values = json.loads((self.listings / f"{key}.json").read_bytes())
            found = self.find(values["fingerprint"])
            report = Report.from_dict(values["report"])
            names = values.get("class_names")
        except (OSError, ValueError, KeyError, TypeError):
            return None
        if found is not None:
            # Of this very source: another with the same pictures may have had other bad files.
            found.report = report
            _name_classes(found, names)
        return found

    def find(self, fingerprint: str) -> PreparedSet | None:
        """The set with this content, if it is here and whole."""
        if not re.fullmatch(r"[0-9a-f]{64}", fingerprint):
            return None
        try:
            return PreparedSet.open(self.sets / fingerprint)
        except DataError:
            return None

    def keep(self, folder: Path, key: str, report: Report) -> PreparedSet:
        """Take over a fresh `folder` (from `publish.new_folder`) for the listing `key`."""
        fresh = PreparedSet.open(folder)
        fingerprint, names = fresh.fingerprint, fresh.class_names
        if self.find(fingerprint) is None:
            target = self.sets / fingerprint
            shutil.rmtree(target, ignore_errors=True)  # a damaged one
            try:
                publish(folder, target)
            except OSError:
                if self.find(fingerprint) is None:  # else another process was faster
                    raise
        self.listings.mkdir(exist_ok=True)
        listing = {"fingerprint": fingerprint, "report": report.as_dict(), "class_names": names}
        write_text(self.listings / f"{key}.json", json.dumps(listing))
        kept = self.find(fingerprint)
        assert kept is not None, f"set {fingerprint} vanished while it was being kept"
        kept.report = report
        _name_classes(kept, names)
        return kept


def _name_classes(prepared: PreparedSet, names: object) -> None:
    """Call the classes as this source does: another with the same pictures may differ in that."""
    old = prepared.class_names
    if old is not None and isinstance(names, list) and len(names) == len(old):
        prepared.class_names = [str(name) for name in names]
