"""How long to wait before the next attempt to connect.

Full and decorrelated jitter are those of AWS's Architecture Blog, "Exponential Backoff And Jitter".
"""

import math
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from penstock.database.managed.events import Recorder

Strategy = Literal["full", "decorrelated"] | Callable[[float, int], float]
"""A name, or a function of the last wait (seconds) and the number of attempts so far, for the next wait."""


@dataclass(frozen=True, slots=True)
class Backoff:
    """The waits between attempts.

    Attributes:
        strategy: `full`, a random wait up to a limit that doubles; `decorrelated`, a random wait up to three times
            the last one; or a function of the last wait (seconds) and the number of attempts, for the next wait.
        base_seconds: the smallest wait of `decorrelated`, and half of the longest first wait of `full`.
        cap_seconds: no wait is longer, also none that a function returns.
    """

    strategy: Strategy
    base_seconds: float
    cap_seconds: float

    def __post_init__(self) -> None:
        if not (callable(self.strategy) or self.strategy in {"full", "decorrelated"}):
            message = f"the backoff is 'full', 'decorrelated' or a function, not {self.strategy!r}"
            raise ValueError(message)
        if not 0 < self.base_seconds <= self.cap_seconds < math.inf:
            raise ValueError("base_seconds must be greater than 0, and cap_seconds at least base_seconds")

    def next_wait(self, last: float, attempts: int) -> float:
        """Return how long to wait, in seconds.

        Args:
            last: the wait before, in seconds; 0 before the first.
            attempts: how many attempts there were, at least 1.

        Raises:
            ValueError: the user's function returned no number of at least 0.
        """
        if self.strategy == "full":
            # Beyond 2^64 the cap holds anyway, and a float would overflow.
            return random.uniform(0, min(self.cap_seconds, self.base_seconds * 2 ** min(attempts, 64)))  # noqa: S311
        if self.strategy == "decorrelated":
            return min(self.cap_seconds, random.uniform(self.base_seconds, max(last, self.base_seconds) * 3))  # noqa: S311
        wait = self.strategy(last, attempts)
        if not isinstance(wait, int | float) or not wait >= 0:
            message = f"the backoff function must return seconds, at least 0, not {wait!r}"
            raise ValueError(message)
        return min(self.cap_seconds, float(wait))


class Waits:
    """The waits of one thing that is tried again and again."""

    def __init__(self, backoff: Backoff, recorder: Recorder, end: float) -> None:
        """Begin before the first attempt. No wait goes beyond `end`, a time of the monotonic clock."""
        self._backoff = backoff
        self._recorder = recorder
        self._end = end
        self._wait = 0.0
        self.attempts = 1

    def another(self, error: BaseException) -> bool:
        """Wait after an attempt that failed; return whether there is time for another one."""
        wait = self._backoff.next_wait(self._wait, self.attempts)
        if time.monotonic() + wait >= self._end:
            return False
        self._recorder.retrying(error, self.attempts, wait)
        time.sleep(wait)
        self._wait = wait
        self.attempts += 1
        return True
