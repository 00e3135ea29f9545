"""What projgan says when something is wrong: error kinds, exit codes, and the six-line message.

A message names what happened, where, what is safe on disk, and the next command to type. Nothing
here prints or exits; `projgan.cli` does that.
"""

from __future__ import annotations

MAX_LINES = 6


class ProjganError(Exception):
    """A fault that its user can understand and act on.

    Args:
        what: one sentence: what is wrong.
        where: the file, folder, field or option concerned.
        safe: what is intact on disk, if that is in question.
        next_command: a command that helps, ready to be typed.
    """

    exit_code = 1

    def __init__(
        self, what: str, *, where: str = "", safe: str = "", next_command: str = ""
    ) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.safe = safe
        self.next_command = next_command

    def __str__(self) -> str:
        return "\n".join(self.lines())

    def lines(self) -> list[str]:
        """The message as at most six printable lines, without control characters."""
        parts = [
            self.what,
            f"where: {self.where}" if self.where else "",
            f"safe:  {self.safe}" if self.safe else "",
            f"next:  {self.next_command}" if self.next_command else "",
        ]
        lines = [printable(line) for part in parts for line in part.splitlines()]
        return lines if len(lines) <= MAX_LINES else [*lines[: MAX_LINES - 1], "..."]

    def as_dict(self) -> dict[str, str | int]:
        """The same fields for `--json`."""
        return {
            "error": self.what,
            "where": self.where,
            "safe": self.safe,
            "next": self.next_command,
            "exit_code": self.exit_code,
        }


class UsageError(ProjganError, ValueError):
    """A command, option or configuration that cannot be carried out (exit code 2)."""

    exit_code = 2


class DataError(ProjganError, ValueError):
    """Pictures that are missing, unreadable, or not the ones a run was trained on (exit code 3)."""

    exit_code = 3


class CheckpointError(ProjganError):
    """A checkpoint, snapshot or weights file that is damaged or does not fit (exit code 4)."""

    exit_code = 4


class ResourceError(ProjganError):
    """Disk, memory, permission or device: the machine cannot do it (exit code 5)."""

    exit_code = 5


class DivergedError(ProjganError):
    """Training produced a number that is not finite (exit code 6)."""

    exit_code = 6


class HubError(ProjganError):
    """The network or the model hub did not give what was asked of it (exit code 7)."""

    exit_code = 7


class BusyError(ProjganError):
    """Another process works in the same run folder (exit code 8)."""

    exit_code = 8


class RefusedError(ProjganError):
    """Refused for safety (exit code 9)."""

    exit_code = 9


class StoppedBySignal(ProjganError):
    """Training stopped on SIGINT (130) or SIGTERM (143) after a verified save."""

    def __init__(self, what: str, *, signal_number: int, safe: str, next_command: str) -> None:
        super().__init__(what, safe=safe, next_command=next_command)
        self.exit_code = 128 + signal_number


class ToldElsewhere(ProjganError):
    """Another process of the same run has said why all of them end: this one says nothing.

    Args:
        exit_code: of this process.
    """

    def __init__(self, exit_code: int) -> None:
        super().__init__("another process of the run has said why it ends")
        self.exit_code = exit_code


def printable(text: str) -> str:
    """`text` with control characters and undecodable bytes escaped, safe to show on a terminal."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode("ascii") for c in text
    )


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or its kind where it has none."""
    lines = str(error).splitlines()
    return lines[0] if lines and lines[0] else type(error).__name__


def is_out_of_memory(error: BaseException) -> bool:
    """Whether memory of a device or of the machine was not enough, in whatever words of torch's.

    torch itself is not needed to tell.
    """
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _OUT_OF_MEMORY)


def is_device_lost(error: BaseException) -> bool:
    """Whether a device or its driver failed, after which this process cannot use it any more."""
    if is_out_of_memory(error):
        return False
    if type(error).__name__ == "AcceleratorError":
        return True
    return isinstance(error, RuntimeError) and any(words in str(error) for words in _DEVICE_LOST)


_OUT_OF_MEMORY = (
    "DefaultCPUAllocator: ",  # "can't allocate memory", "not enough memory"
    "out of memory",  # "CUDA error: out of memory", "MPS backend out of memory"
    "_STATUS_ALLOC_FAILED",  # cuBLAS and cuDNN
)
_DEVICE_LOST = (
    "CUDA error: ",
    "CUDA driver error",
    "cuDNN error: ",
    "CUDNN_STATUS_",
    "HIP error: ",
)


def choose_from(kind: str, name: str, known: list[str] | tuple[str, ...]) -> UsageError:
    """The error for an unknown name: lists the known ones."""
    return UsageError(f"unknown {kind} {name!r}; known: {', '.join(known)}")
