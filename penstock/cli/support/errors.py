"""The error that ends a command, and the exit codes. A signal ends a command with 128 and its number."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
CONFIRMATION: Final = 3
CREDENTIALS: Final = 4
CONFLICT: Final = 5
INTERRUPTED: Final = 130
"""Ctrl-C: 128 and the number of SIGINT."""
CLOSED_PIPE: Final = 141
"""The reader of stdout has gone: 128 and the number of SIGPIPE, as a shell says it of other programs."""
FOUND: Final = 10
"""A check found something."""
UNDECIDED: Final = 11
"""A check found nothing wrong, but cannot decide yet."""


class Failure(Exception):
    """An error that ends a command; its text names the cause and the way out, and is shown without a traceback.

    Attributes:
        code: the exit code.
    """

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code
