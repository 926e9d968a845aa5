"""Leases on a queue's messages: each message is seen once, and given back at the end unless it was deleted.

Whoever looks at an SQS queue leases what it sees, and each look counts as a receive. Leases run out by
themselves: a run that is killed gives back nothing, and after that time the messages are there again.

However many there are, a page and sixteen bytes of each message that is held are in memory; the handles that give
them back are in a file without a name.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from hashlib import sha256
from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, Self

from penstock.queue import BATCH_LIMIT, Queue, Received
from penstock.queue.chunks import chunked

LEASE_LOST: Final = "LeaseLost"
"""Why a message is not deleted: its lease had run out."""

PAGE_SECONDS: Final = 120
"""Lease of a page: sending it to a queue that throttles takes less."""

PAGE_LIMIT: Final = 160
"""The most messages that a page has."""

_LONGEST_SECONDS = 43_200
_SLOWEST_SCAN_PER_SECOND = 50
_BARREN_PAGES = 10
_RELEASED_AT_ONCE = 100
# A call that waits asks all of SQS's servers; one that does not may miss messages (SQS: long polling).
_WAIT_SECONDS = 1


class Leases:
    """The leases of one run, to be used with `with`."""

    def __init__(
        self,
        queue: Queue,
        seconds: int = PAGE_SECONDS,
        *,
        page_limit: int = PAGE_LIMIT,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Take the queue to lease from.

        Args:
            queue: the queue.
            seconds: how long each lease lasts.
            page_limit: how many messages a page has at most, roughly.
            clock: the time in seconds. A monotonic clock would not do: it stands still while a laptop sleeps.
        """
        self._queue = queue
        self._seconds = seconds
        self._clock = clock
        # The order of a FIFO queue is kept by asking it one thing at a time.
        self._most_calls = 1 if queue.fifo else max(1, page_limit // BATCH_LIMIT)
        self._limit = min(page_limit, BATCH_LIMIT)
        self._calls = 1
        self._asked: list[Future[list[Received]]] = []
        self._page: dict[str, str] = {}
        self._seen: set[bytes] = set()
        self._until = 0.0

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._most_calls, thread_name_prefix="penstock-lease")
        self._held = TemporaryFile("w+", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._pool.shutdown()
        self._take_in(self._asked)
        self._put_by()
        with self._held:
            self._release()

    def pages(self) -> Iterator[list[Received]]:
        """Lease page after page of messages not seen before, until the queue has no more.

        What is not deleted of a page by the time that the next one is asked for is held until the end.

        Raises:
            penstock.queue.QueueError: the queue cannot be read.
        """
        barren = repeated = 0
        # In a slow run, what it has left comes back, in front of what it has not seen: it goes through that once.
        while barren < _BARREN_PAGES or repeated <= len(self._seen):
            self._put_by()
            page = self._receive()
            if not page:
                return
            fresh = {m.message_id: m for m in page if _digest(m.message_id) not in self._seen}
            barren, repeated = (0, 0) if fresh else (barren + 1, repeated + len(page))
            if fresh:
                yield list(fresh.values())

    def delete(self, messages: Sequence[Received]) -> dict[int, str]:
        """Delete messages of the newest page; the positions returned, with why, are not deleted.

        If the page's leases have run out, nothing is: its messages may be another receiver's by now.
        """
        if self._clock() >= self._until:
            return dict.fromkeys(range(len(messages)), LEASE_LOST)
        handles = [message.receipt_handle for message in messages]
        refused = self._queue.delete(handles) if handles else {}
        for index, message in enumerate(messages):
            if index not in refused:
                self._page.pop(message.message_id, None)
        return {index: refusal.code for index, refusal in refused.items()}

    def _receive(self) -> list[Received]:
        """Ask several times at once, as often as it is worth while."""
        # Taken before the call: the lease is over on SQS's side no earlier than this.
        self._until = self._clock() + self._seconds
        asking = self._queue.receive
        self._asked = [
            self._pool.submit(asking, self._limit, wait_seconds=_WAIT_SECONDS, visibility_seconds=self._seconds)
            for _ in range(self._calls)
        ]
        wait(self._asked)
        answers, self._asked = self._asked, []
        page = self._take_in(answers)
        for answer in answers:
            answer.result()
        full = len(page) > len(answers) * self._limit // 2
        self._calls = min(2 * self._calls, self._most_calls) if full else max(1, self._calls // 2)
        return page

    def _take_in(self, answers: Iterable[Future[list[Received]]]) -> list[Received]:
        """Hold what has been leased, whatever became of the calls beside it."""
        answered = [one for one in answers if one.exception() is None]
        page = [message for one in answered for message in one.result()]
        self._page |= {message.message_id: message.receipt_handle for message in page}
        return page

    def _put_by(self) -> None:
        """Write down the handles that are left of the page, and until when they are good."""
        self._seen.update(map(_digest, self._page))
        self._held.writelines(f"{self._until} {handle}\n" for handle in self._page.values())
        self._page.clear()

    def _release(self) -> None:
        """Make everything that is still held visible at once, where the queue lets us."""
        for handles in chunked(self._still_held(), _RELEASED_AT_ONCE):
            leases = [(handle, 0) for handle in handles]
            if len(self._queue.change_visibility(leases)) == len(leases):
                # The queue is away, or does not let us. They all run out by themselves.
                return

    def _still_held(self) -> Iterator[str]:
        """Read the handles back, without those whose leases have run out meanwhile."""
        self._held.seek(0)
        for line in self._held:
            until, _, handle = line.rstrip("\n").partition(" ")
            if float(until) > self._clock():
                yield handle


def _digest(message_id: str) -> bytes:
    return sha256(message_id.encode()).digest()[:16]


def scan_seconds(messages: int) -> int:
    """Return how long leases must last for `messages` to be looked through with all of them held."""
    return min(PAGE_SECONDS + messages // _SLOWEST_SCAN_PER_SECOND, _LONGEST_SECONDS)
