"""Leases on a queue's messages: each message is seen once, and given back at the end unless it was deleted.

Whoever looks at an SQS queue leases what it sees, and each look counts as a receive. Leases run out by
themselves: a run that is killed gives back nothing, and after that time the messages are there again.
"""

import time
from collections.abc import Callable, Iterable, Iterator
from types import TracebackType
from typing import Final, Self

from penstock.queue import BATCH_LIMIT, Queue, Received

PAGE_SECONDS: Final = 120
"""Lease of a page: sending ten of the largest messages to a queue that throttles takes less."""

_LONGEST_SECONDS = 43_200
_SLOWEST_SCAN_PER_SECOND = 50
_BARREN_PAGES = 10
# A call that waits asks all of SQS's servers; one that does not may miss messages (SQS: long polling).
_WAIT_SECONDS = 1


class Leases:
    """The leases of one run, to be used with `with`."""

    def __init__(self, queue: Queue, seconds: int = PAGE_SECONDS, clock: Callable[[], float] = time.time) -> None:
        """Take the queue to lease from.

        Args:
            queue: the queue.
            seconds: how long each lease lasts.
            clock: the time in seconds. A monotonic clock would not do: it stands still while a laptop sleeps.
        """
        self._queue = queue
        self._seconds = seconds
        self._clock = clock
        self._held: dict[str, str] = {}
        self._until = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._release()

    def pages(self) -> Iterator[list[Received]]:
        """Lease page after page of messages not seen before, until the queue has no more."""
        barren = 0
        while barren < _BARREN_PAGES:
            # Taken before the call: the lease is over on SQS's side no earlier than this.
            self._until = self._clock() + self._seconds
            page = self._queue.receive(BATCH_LIMIT, wait_seconds=_WAIT_SECONDS, visibility_seconds=self._seconds)
            if not page:
                return
            fresh = {m.message_id: m for m in page if m.message_id not in self._held}
            self._held |= {message.message_id: message.receipt_handle for message in page}
            barren = 0 if fresh else barren + 1
            if fresh:
                yield list(fresh.values())

    @property
    def have_lapsed(self) -> bool:
        """Whether the leases of the newest page have run out: another receiver may hold its messages."""
        return self._clock() >= self._until

    def forget(self, messages: Iterable[Received]) -> None:
        """Give nothing back of these: they are deleted."""
        for message in messages:
            self._held.pop(message.message_id, None)

    def _release(self) -> None:
        """Make everything that is still held visible at once, where the queue lets us."""
        handles = list(self._held.values())
        self._held.clear()
        for start in range(0, len(handles), BATCH_LIMIT):
            ten = handles[start : start + BATCH_LIMIT]
            if len(self._queue.change_visibility([(handle, 0) for handle in ten])) == len(ten):
                # The queue is away or these leases are gone. They all run out by themselves.
                return


def scan_seconds(messages: int) -> int:
    """Return how long leases must last for `messages` to be looked through with all of them held."""
    return min(PAGE_SECONDS + messages // _SLOWEST_SCAN_PER_SECOND, _LONGEST_SECONDS)
