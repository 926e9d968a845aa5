"""Keeping to a rate."""

import time
from collections.abc import Callable
from typing import Final

UNHURRIED_SECONDS: Final = 30
"""How long a page may take at most at the rate that is asked for: its leases last longer."""

_SLICE_SECONDS = 0.1


class Pace:
    """Lets so many messages go per second, in slices of a tenth of a second's worth."""

    def __init__(
        self,
        rate: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Take the rate.

        Args:
            rate: messages per second; None for as many as go.
            clock: the time in seconds.
            sleep: what waits for so many seconds.

        Raises:
            ValueError: the rate is not above 0.
        """
        if rate is not None and not rate > 0:
            raise ValueError(f"a rate must be above 0 messages per second, not {rate}")
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def slice_of(self, messages: int) -> int:
        """Return how many of `messages` may go in one call."""
        return messages if self._rate is None else min(messages, max(1, int(self._rate * _SLICE_SECONDS)))

    def page_of(self, messages: int) -> int:
        """Return how many of `messages` may be taken on at once."""
        return messages if self._rate is None else min(messages, max(1, int(self._rate * UNHURRIED_SECONDS)))

    def wait_for(self, messages: int) -> None:
        """Wait until `messages` more may go."""
        if self._rate is None:
            return
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        # What one slice took too long is made up for; a longer delay is not, or a burst would follow it.
        self._next = max(self._next, now - _SLICE_SECONDS) + messages / self._rate
