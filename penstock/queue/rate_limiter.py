"""The rate of sending: of a replay, a release, or many intents."""

import time
from collections.abc import Callable
from typing import Final

MAX_PAGE_SECONDS: Final = 30
"""The maximum time that a page may take at the given rate; the leases of a page last longer."""

_SLICE_SECONDS = 0.1


class RateLimiter:
    """Limits messages per second, in slices of a tenth of a second."""

    def __init__(
        self,
        rate: float | None,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Create a limiter.

        Args:
            rate: messages per second; None for no limit.
            clock: returns the time in seconds.
            sleep: waits for the given number of seconds.

        Raises:
            ValueError: the rate is not above 0.
        """
        if rate is not None and not rate > 0:
            raise ValueError(f"a rate must be above 0 messages per second, not {rate}")
        self._rate = rate
        self._clock = clock
        self._sleep = sleep
        self._next = clock()

    def slice_size(self, messages: int) -> int:
        """Return how many of `messages` may be sent in one call."""
        return messages if self._rate is None else min(messages, max(1, int(self._rate * _SLICE_SECONDS)))

    def page_size(self, messages: int) -> int:
        """Return how many of `messages` may be leased at once."""
        return messages if self._rate is None else min(messages, max(1, int(self._rate * MAX_PAGE_SECONDS)))

    def wait_for(self, messages: int) -> None:
        """Wait until `messages` more may be sent."""
        if self._rate is None:
            return
        now = self._clock()
        if self._next > now:
            self._sleep(self._next - now)
        # A delay of up to one slice is caught up. A longer delay is not, because a burst would follow it.
        self._next = max(self._next, now - _SLICE_SECONDS) + messages / self._rate
