"""What a command fails with, for people, and the exit codes."""

from typing import Final

FAILED: Final = 1
USAGE: Final = 2
CONFIRMATION: Final = 3
CREDENTIALS: Final = 4
CONFLICT: Final = 5
INTERRUPTED: Final = 130
FOUND: Final = 10
"""A `--check` found something."""


class Failure(Exception):
    """A command cannot go on: its text says why and what to do, without a traceback.

    Attributes:
        code: the exit code.
    """

    def __init__(self, text: str, code: int = FAILED) -> None:
        super().__init__(text)
        self.code = code
