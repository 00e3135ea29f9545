"""Seeds as a user writes them; `Generator.latents` turns them into latents."""

from __future__ import annotations

import re

from projgan.errors import UsageError

MAX_SEEDS = 100_000
_PART = re.compile(r"([0-9]{1,18})(?:-([0-9]{1,18}))?")


def parse_seeds(
    text: str, *, kind: str = "seeds", next_command: str = "--seeds 0-63,70"
) -> list[int]:
    """The seeds in a list such as "0-63,70": numbers and ranges, both ends included.

    Args:
        kind: what to call them in an error; other things are listed in the same way.
        next_command: the example in an error.

    Returns:
        The seeds in the order written; one that is named again is left out.

    Raises:
        UsageError: if the text is no such list, a range runs backwards, or it names over 100,000.
    """

    def refuse(reason: str) -> UsageError:
        shown = text if len(text) <= 60 else text[:57] + "..."
        return UsageError(
            f"cannot read the {kind}: {reason}",
            where=shown or "(empty)",
            next_command=next_command,
        )

    seeds: dict[int, None] = {}
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            raise refuse(f"{part.strip()!r} is neither a number nor a range")
        first = int(match[1])
        last = int(match[2]) if match[2] else first
        if last < first:
            raise refuse(f"the range {part.strip()} runs backwards")
        if last - first >= MAX_SEEDS or len(seeds) + last - first >= MAX_SEEDS:
            raise refuse(f"it names more than {MAX_SEEDS} {kind}")
        seeds.update(dict.fromkeys(range(first, last + 1)))
    return list(seeds)
