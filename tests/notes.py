"""What a workflow says on its way, kept."""

from __future__ import annotations

from projgan.workflows.watch import Watch


class Notes(Watch):
    def __init__(self) -> None:
        self.notes: list[str] = []

    def note(self, text: str) -> None:
        self.notes.append(text)
