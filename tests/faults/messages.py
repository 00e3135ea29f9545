"""G12: what a command says when it fails, judged; and the command that it recommends, carried out.

Every suite hands the failures that it provokes to `complaints_about`.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from projgan.errors import MAX_LINES, ProjganError

_DOCUMENTED = re.compile(r"^\| (\d+) \|", re.MULTILINE)
_PAGE = Path(__file__).resolve().parents[2] / "docs/exit-codes.md"
CODES = frozenset(int(code) for code in _DOCUMENTED.findall(_PAGE.read_text(encoding="utf-8")))
PLACEHOLDER = re.compile(r"\b[A-Z]{3,}(_[A-Z]+)*\b")


@dataclass(frozen=True)
class Message:
    """The end of a command that failed."""

    exit_code: int
    what: str
    where: str
    safe: str
    next_command: str

    @classmethod
    def of(cls, error: ProjganError) -> Message:
        """What the command line would say of an error."""
        return cls(error.exit_code, error.what, error.where, error.safe, error.next_command)

    @classmethod
    def from_json(cls, printed: str) -> Message:
        """What `--json` printed last."""
        objects = [line for line in printed.splitlines() if line.startswith("{")]
        fields: dict[str, Any] = json.loads(objects[-1])
        return cls(
            int(fields["exit_code"]),
            str(fields["error"]),
            str(fields["where"]),
            str(fields["safe"]),
            str(fields["next"]),
        )

    def lines(self) -> list[str]:
        """As it is shown."""
        return ProjganError(
            self.what, where=self.where, safe=self.safe, next_command=self.next_command
        ).lines()


def complaints_about(
    message: Message, *, code: int | tuple[int, ...], culprit: str = "", needs_next: bool = False
) -> list[str]:
    """What is wrong with a message: its code, its length, that it does not name the culprit.

    Args:
        code: the exit codes that are right.
        culprit: must be in what it says.
        needs_next: whether there is a command that helps, which must be named.
    """
    complaints = []
    codes = (code,) if isinstance(code, int) else code
    text = "\n".join(message.lines())
    if message.exit_code not in codes:
        complaints.append(f"exit code {message.exit_code} instead of {codes}: {text}")
    if message.exit_code not in CODES:
        complaints.append(f"exit code {message.exit_code} is not documented")
    if not message.what or len(message.lines()) > MAX_LINES or message.lines()[-1] == "...":
        complaints.append(f"{len(message.lines())} lines: {text}")
    if culprit and culprit not in text:
        complaints.append(f"does not name {culprit}: {text}")
    if "Traceback" in text or "object at 0x" in text:
        complaints.append(f"shows its insides: {text}")
    if needs_next and not message.next_command:
        complaints.append(f"says no command that helps: {text}")
    return complaints


def command_in(message: Message) -> list[str]:
    """The words after `projgan` of the recommended command; none if there is nothing to type."""
    found = re.search(r"projgan (?P<words>[^(]*)", message.next_command)
    if found is None or PLACEHOLDER.search(found["words"]):
        return []
    return shlex.split(found["words"])


def carry_out(message: Message, run: Callable[[list[str]], int]) -> list[str]:
    """Run the recommended command; a complaint if it fails."""
    words = command_in(message)
    if not words:
        return []
    code = run(words)
    return [f"projgan {shlex.join(words)} ended with {code}"] if code else []
