"""How long each frame of a film lasts, in formats that count in whole units of time."""

from __future__ import annotations

import itertools
from collections.abc import Iterator


def frame_durations(fps: int, *, unit_ms: int) -> Iterator[int]:
    """Endless durations in milliseconds, each a multiple of unit_ms.

    Rounding does not add up: after n frames the sum is within half a unit of n / fps seconds. At 30
    frames a second in units of 10 ms: 30, 40, 30, 30, 40, 30, ...
    """
    shown = 0
    for number in itertools.count(1):
        end = round(number * 1000 / (fps * unit_ms)) * unit_ms
        yield end - shown
        shown = end
