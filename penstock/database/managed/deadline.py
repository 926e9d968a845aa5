"""The end of the invocation that is running."""

import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

_ANSWER_SECONDS: Final = 1.0
_ANSWER_SHARE: Final = 0.2
"""The time that a handler keeps to answer: one second, and of a short invocation one fifth."""


class Deadline:
    """The time until which a handler can still answer. An instance handles one invocation at a time."""

    def __init__(self) -> None:
        """Begin outside of an invocation: there is no end."""
        self._end = math.inf

    @contextmanager
    def of(self, context: Any) -> Iterator[None]:
        """Let the deadline be that of a Lambda context; of another object, such as None, there is no end."""
        remaining = getattr(context, "get_remaining_time_in_millis", None)
        if remaining:
            left = remaining() / 1000
            self._end = time.monotonic() + left - min(_ANSWER_SECONDS, left * _ANSWER_SHARE)
        try:
            yield
        finally:
            self._end = math.inf

    def within(self, seconds: float) -> float:
        """Return the seconds that are left: to the deadline, and no more than the given number."""
        return max(0.0, min(seconds, self._end - time.monotonic()))
