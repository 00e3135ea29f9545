"""Whether the pictures of a run are still there, and still the same."""

from __future__ import annotations

import contextlib
from pathlib import Path

from projgan.config.schema import RunConfig
from projgan.data.cache import Cache, default_cache, listing_key
from projgan.data.dataset import PreparedSet, compare_hashes, is_prepared
from projgan.data.prepare import judged_hashes
from projgan.data.scan import open_source
from projgan.errors import ProjganError
from projgan.training.checkpoint import Checkpoint
from projgan.workflows.doctor.diagnosis import BAD_PICTURES, Diagnosis
from projgan.workflows.watch import Watch


def say_pictures(
    diagnosis: Diagnosis, config: RunConfig, checkpoint: Checkpoint | None, watch: Watch
) -> str:
    """Say how the pictures are; returns "same", "changed", "gone" or "cached".

    Or "there", where no checkpoint says what they were.
    """
    path = Path(config.data.path)
    fingerprint = str(checkpoint.counters["fingerprint"]) if checkpoint else ""
    verdict, text = "there", f"{path}: there; no checkpoint says what they were"
    if not path.exists():
        verdict, text = "gone", f"{path} is gone"
        if fingerprint and Cache(default_cache()).find(fingerprint) is not None:
            verdict, text = "cached", f"{path} is gone; the cache still has them prepared"
            diagnosis.advise(f"{text}: a run resumes from there; keep the cache")
        else:
            diagnosis.fault(f"{text}, and the cache does not have them", BAD_PICTURES)
    elif checkpoint is not None:
        try:
            change = _change(config, checkpoint, watch)
        except ProjganError as error:
            verdict, text = "gone", f"{path}: {error.what.splitlines()[0]}"
            diagnosis.fault(f"the pictures cannot be used: {text}", BAD_PICTURES)
        else:
            verdict, text = ("changed", change) if change else ("same", f"{path}: unchanged")
            if change:
                what = f"the pictures changed since the checkpoint: {change}"
                diagnosis.fault(what, BAD_PICTURES)
    diagnosis.say("pictures", text)
    diagnosis.facts["pictures"] = verdict
    return verdict


def _change(config: RunConfig, checkpoint: Checkpoint, watch: Watch) -> str:
    """How the pictures differ from those of the checkpoint; empty if they do not."""
    path, fingerprint = Path(config.data.path), checkpoint.counters["fingerprint"]
    if is_prepared(path):
        prepared: PreparedSet | None = PreparedSet.open(path)
    else:
        with contextlib.closing(open_source(config.data.path)) as source:
            prepared = Cache(default_cache()).lookup(listing_key(source, config.data))
    if prepared is not None:
        if prepared.fingerprint == fingerprint:
            return ""
        now = dict(zip(prepared.names, prepared.hashes, strict=True))
    else:
        # The cache does not know them: read what is there, as resuming would.
        now = judged_hashes(
            config.data, progress=lambda done, of: watch.progress("reading pictures", done, of)
        )
    return "" if now == checkpoint.hashes else compare_hashes(checkpoint.hashes, now)
