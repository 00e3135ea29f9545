"""What reading one file may cost, shared by the file and everything nested in it."""

from __future__ import annotations

import time

from projgan.errors import CheckpointError

MAX_OPERATIONS = 500_000
"""A whole checkpoint with its discriminator takes about 150,000."""
MAX_MARKS = 1_000
MAX_TEXT = 1 << 20
"""Bytes of one text. The longest in official files are their modules' sources, about 50 kB."""
MAX_SECONDS = 60.0
OPERATIONS_A_LOOK = 64
"""They are counted in portions, before they are done."""


class Budget:
    """Counts down operations, seconds and bytes that are copied or read again.

    Args:
        size: of the file; so many bytes may be read a second time, and copied.
    """

    def __init__(self, size: int) -> None:
        self.operations = 0
        self._bytes_left = size
        self._deadline = time.monotonic() + MAX_SECONDS

    def count_operations(self, count: int = OPERATIONS_A_LOOK) -> None:
        """So many opcodes more.

        Raises: CheckpointError: there were too many, or it takes too long.
        """
        self.operations += count
        if self.operations > MAX_OPERATIONS:
            raise CheckpointError(f"it has more than {MAX_OPERATIONS:,} operations")
        if time.monotonic() > self._deadline:
            raise CheckpointError(f"reading it takes longer than {MAX_SECONDS:.0f} seconds")

    def count_bytes(self, count: int) -> None:
        """Bytes that are read again. Raises: CheckpointError: more than the file has."""
        self._bytes_left -= count
        if self._bytes_left < 0:
            raise CheckpointError("it unfolds to more bytes than it has")
