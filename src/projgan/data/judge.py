"""All pictures of a source in order of names, each decoded or rejected, in bounded memory."""

from __future__ import annotations

import hashlib
from collections import Counter, deque
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field

from projgan.data.colour import DOUBTFUL
from projgan.data.decode import Picture, Rules, decode, quiet_pillow
from projgan.data.report import Report, Unusable
from projgan.data.source import Source

Progress = Callable[[int, int], None]
"""Called with (pictures done, pictures in all)."""

IN_FLIGHT_PER_WORKER = 2


@dataclass(frozen=True)
class Judged:
    """One file: a picture, or the reason why not."""

    name: str
    sha256: str
    """Of the bytes that were decoded; empty if there were none."""
    picture: Picture | None
    reason: str = ""


@dataclass
class Verdict:
    """What a pass over a source adds up to."""

    names: list[str] = field(default_factory=list)
    """Pictures kept, in order."""
    hashes: list[str] = field(default_factory=list)
    rejected: dict[str, str] = field(default_factory=dict)
    facts: Counter[str] = field(default_factory=Counter)
    doubtful: dict[str, str] = field(default_factory=dict)
    dropped: int = 0
    _groups: dict[str, list[str]] = field(default_factory=dict)

    def add(self, judged: Judged, *, dedupe: bool) -> bool:
        """Note one file; returns whether its pixels belong into the set."""
        if judged.picture is None:
            self.rejected[judged.name] = judged.reason
            return False
        group = self._groups.setdefault(judged.sha256, [])
        group.append(judged.name)
        if dedupe and len(group) > 1:
            self.dropped += 1
            return False
        self.names.append(judged.name)
        self.hashes.append(judged.sha256)
        for fact in judged.picture.facts:
            if fact in DOUBTFUL:
                self.doubtful[judged.name] = fact
            else:
                self.facts[fact] += 1
        return True

    def report(self, source: Source) -> Report:
        """The same for its reader, with what the scan found."""
        rejected = {**source.listing.unreadable, **self.rejected}
        return Report(
            found=len(source.listing.entries) + len(source.listing.unreadable),
            used=len(self.names),
            rejected=dict(sorted(rejected.items())),
            duplicates=[group for group in self._groups.values() if len(group) > 1],
            dropped=self.dropped,
            facts=dict(sorted(self.facts.items())),
            doubtful=self.doubtful,
            skipped=dict(sorted(source.listing.skipped.items())),
        )


def judge_all(
    source: Source, rules: Rules, *, workers: int = 2, progress: Progress | None = None
) -> Generator[Judged, None, None]:
    """Every picture of `source`, in order of names.

    Args:
        workers: threads that read and decode. At most twice as many pictures are held at once.
        progress: called after the caller is done with each picture.
    """
    entries = source.listing.entries
    upcoming = iter(entries)
    waiting: deque[Future[Judged]] = deque()
    pool = ThreadPoolExecutor(workers, thread_name_prefix="decode")
    try:
        with quiet_pillow():
            for done in range(len(entries)):
                while len(waiting) < workers * IN_FLIGHT_PER_WORKER and (
                    entry := next(upcoming, None)
                ):
                    waiting.append(pool.submit(_judge, source, entry.name, rules))
                yield waiting.popleft().result()
                if progress is not None:
                    progress(done + 1, len(entries))
    finally:
        pool.shutdown(wait=True, cancel_futures=True)


def _judge(source: Source, name: str, rules: Rules) -> Judged:
    sha256 = ""
    try:
        data = source.read(name)
        # Of the very bytes that get decoded: a file that changes meanwhile cannot slip in.
        sha256 = hashlib.sha256(data).hexdigest()
        return Judged(name, sha256, decode(data, rules))
    except Unusable as reason:
        return Judged(name, sha256, None, str(reason))
