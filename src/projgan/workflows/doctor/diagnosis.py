"""What an examination comes to: rows of what was measured, findings, and the next command."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from projgan.errors import DataError, ResourceError


@dataclass(frozen=True)
class Finding:
    """One thing that its user should know.

    Attributes:
        what: a sentence, with what can be done about it.
        exit_code: 0 for advice; else the code of the fault that it is (docs/exit-codes.md).
    """

    what: str
    exit_code: int = 0


BAD_PICTURES = DataError.exit_code
BAD_MACHINE = ResourceError.exit_code


@dataclass
class Diagnosis:
    """The result of one examination.

    Attributes:
        kind: "data", "run" or "machine".
        rows: label and text, in the order in which they are read.
        facts: the same for a program: plain JSON values.
        next_command: ready to be typed; empty if there is nothing to be done.
    """

    kind: str
    rows: list[tuple[str, str]] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    facts: dict[str, Any] = field(default_factory=dict)
    next_command: str = ""

    def say(self, label: str, text: str) -> None:
        """Add a row."""
        self.rows.append((label, text))

    def advise(self, what: str) -> None:
        """Add a finding that is no fault."""
        self.findings.append(Finding(what))

    def fault(self, what: str, exit_code: int) -> None:
        """Add a finding that is one."""
        self.findings.append(Finding(what, exit_code))

    @property
    def exit_code(self) -> int:
        """That of the first fault; 0 without any."""
        return next((f.exit_code for f in self.findings if f.exit_code), 0)

    def as_dict(self) -> dict[str, Any]:
        """For `--json`."""
        return {
            "kind": self.kind,
            "exit_code": self.exit_code,
            "problems": [f.what for f in self.findings if f.exit_code],
            "advice": [f.what for f in self.findings if not f.exit_code],
            "next": self.next_command,
            **self.facts,
        }
