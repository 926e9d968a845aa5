"""The pace of a run: so many intents per second at most, and none while the drain is busy with others."""

import time
from collections.abc import Callable
from typing import Final

from penstock.queue import Queue
from penstock.queue.rate_limiter import RateLimiter

MAX_WAITING: Final = 1000
_LOOK_SECONDS: Final = 2.0


class Pace:
    """Limits a run to a rate, and pauses it while more messages wait on the queue than are allowed."""

    def __init__(
        self,
        queue: Queue,
        rate: float,
        max_waiting: int,
        say: Callable[[str], None],
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        """Begin.

        Args:
            queue: the queue that is sent to.
            rate: intents per second.
            max_waiting: the most messages that may wait on the queue, by SQS's approximate count.
            say: shows a message to the operator.
            clock: returns the time in seconds.
            sleep: waits for the given number of seconds.

        Raises:
            ValueError: the rate is not above 0.
        """
        self._queue = queue
        self._limiter = RateLimiter(rate, clock, sleep)
        self._max_waiting = max_waiting
        self._say = say
        self._clock = clock
        self._sleep = sleep
        self._next_look = clock()

    def chunk_size(self, lines: int) -> int:
        """Return how many of `lines` may be sent in one call."""
        return self._limiter.slice_size(lines)

    def wait_for(self, lines: int) -> None:
        """Wait until `lines` more may be sent.

        Raises:
            penstock.queue.QueueError: the queue cannot be read.
        """
        self._limiter.wait_for(lines)
        if self._clock() >= self._next_look:
            self._wait_for_room()
            self._next_look = self._clock() + _LOOK_SECONDS

    def _wait_for_room(self) -> None:
        paused = False
        while (waiting := self._queue.depth().visible) > self._max_waiting:
            if not paused:
                self._say(
                    f"paused: about {waiting:,} messages wait on the queue (--max-waiting {self._max_waiting})"
                )
            paused = True
            self._sleep(_LOOK_SECONDS)
        if paused:
            self._say(f"going on: about {waiting:,} messages wait on the queue")
