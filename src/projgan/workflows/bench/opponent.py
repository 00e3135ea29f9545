"""What a benchmark compares with: the reference's step, or other settings."""

from __future__ import annotations

from dataclasses import dataclass

from projgan.build import settle
from projgan.config.load import differences, override
from projgan.config.schema import RunConfig
from projgan.errors import UsageError
from projgan.workflows.bench.reference import REFERENCE_STEP, reference_config


@dataclass(frozen=True)
class Opponent:
    """The other way to take a step.

    Attributes:
        name: as it was given.
        config: settled.
        is_reference: whether it is the reference's step.
    """

    name: str
    config: RunConfig
    is_reference: bool


def parse_opponent(text: str, unsettled: RunConfig) -> Opponent:
    """`reference-step`, or settings such as `training.precision=fp32,training.batch=4`.

    Args:
        unsettled: the config that the settings change.
    Raises: UsageError: unknown settings or values, or settings that change nothing.
    """
    ours = settle(unsettled)
    if text == REFERENCE_STEP:
        return Opponent(text, reference_config(ours), is_reference=True)
    theirs = settle(override(unsettled, _settings(text)))
    if not differences(ours, theirs):
        raise UsageError(
            f"{text!r} is what is measured already", where="option --against", next_command=_USUAL
        )
    return Opponent(text, theirs, is_reference=False)


_USUAL = f"--against {REFERENCE_STEP}, or --against training.precision=fp32"


def _settings(text: str) -> dict[str, str]:
    """`a.b=1,c.d=x,y` -> {"a.b": "1", "c.d": "x,y"}."""
    settings: dict[str, str] = {}
    last = ""
    for part in text.split(","):
        key, equals, value = part.partition("=")
        if equals:
            last = key.strip()
            settings[last] = value.strip()
        elif last:
            settings[last] += f",{part.strip()}"
        else:
            raise UsageError(
                f"{text!r} is neither {REFERENCE_STEP} nor a setting",
                where="option --against",
                next_command=_USUAL,
            )
    return settings
