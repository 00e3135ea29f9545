"""How a section of the config refuses a value."""

from __future__ import annotations

from projgan.errors import UsageError


def require(condition: bool, name: str, problem: str) -> None:
    """Raise UsageError, naming the setting `section.field`, unless the condition holds."""
    if not condition:
        raise UsageError(problem, where=f"setting {name}")
