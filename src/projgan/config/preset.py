"""What a preset is."""

from __future__ import annotations

from dataclasses import dataclass

from projgan.config.schema import RunConfig


@dataclass(frozen=True, kw_only=True)
class Preset:
    """A config and one sentence about what it is for."""

    summary: str
    config: RunConfig
