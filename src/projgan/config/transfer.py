"""Settings of a run that starts from what another one learned."""

from __future__ import annotations

from dataclasses import dataclass

from projgan.config.checks import require


@dataclass(frozen=True, kw_only=True)
class TransferConfig:
    """Where the weights come from that the networks start with."""

    source: str = ""
    """A run, a checkpoint or a snapshot; empty: fresh weights."""
    digest: str = ""
    """SHA-256 of the source's manifest. Empty: any; the one that was found is put here."""

    def __post_init__(self) -> None:
        is_digest = len(self.digest) == 64 and set(self.digest) <= set("0123456789abcdef")
        require(not self.digest or is_digest, "transfer.digest", "must be 64 hexadecimal digits")
        alone = bool(self.digest) and not self.source
        require(not alone, "transfer.digest", "has no effect without transfer.source")
