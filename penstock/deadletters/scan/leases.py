"""Leases on a queue's messages: each message is yielded once, and given back at the end unless it was deleted.

SQS has no peek. Receiving leases a message (its visibility timeout) and counts as a receive. A run that is killed
gives nothing back; its leases expire, and then the messages are visible again.

Memory holds one page, or two of small messages if they are received ahead, and sixteen bytes per leased message.
The receipt handles are in an unnamed temporary file.
"""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from hashlib import sha256
from itertools import islice
from tempfile import TemporaryFile
from types import TracebackType
from typing import Final, Self

from penstock.queue import BATCH_LIMIT, Queue, Received
from penstock.queue.chunks import chunked

LEASE_LOST: Final = "LeaseLost"
"""Why a message was not deleted: its lease had expired."""

PAGE_SECONDS: Final = 120
"""The lease of a page. Sending a page to a queue that throttles takes less time."""

PAGE_LIMIT: Final = 160
"""The maximum number of messages in a page."""

_LARGE_CHARACTERS = 64_000
"""If the messages of a page have more on average, half as many are received ahead."""

_MAX_LEASE_SECONDS = 43_200
_MIN_SCANNED_PER_SECOND = 50
_MAX_PAGES_WITHOUT_NEW = 10
_RELEASE_BATCH = 320
# Long polling asks all of SQS's servers; short polling may miss messages (SQS: long polling).
_WAIT_SECONDS = 1
_POLL_SECONDS = 0.01


class Leases:
    """The leases of one run; use it with `with`."""

    def __init__(
        self,
        queue: Queue,
        seconds: int = PAGE_SECONDS,
        *,
        page_limit: int = PAGE_LIMIT,
        ahead: bool = False,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """Prepare to lease messages.

        Args:
            queue: the queue.
            seconds: the duration of each lease.
            page_limit: the maximum number of messages in a page, approximately.
            ahead: whether more is received while the caller works on a page, for a run that reads all and deletes
                nothing: how long the leases of such a page still last is not known.
            clock: returns the time in seconds. It must not be a monotonic clock, which may stop while the machine
                sleeps.
        """
        self._queue = queue
        self._seconds = seconds
        self._clock = clock
        # Parallel receives would mix the order of a FIFO queue.
        self._max_calls = 1 if queue.fifo else max(1, page_limit // BATCH_LIMIT)
        self._limit = min(page_limit, BATCH_LIMIT)
        self._calls = 1
        self._running: list[Future[int]] | None = [] if ahead else None
        self._is_over = False
        self._calls_in_flight: set[object] = set()
        self._arrived: list[tuple[float, list[Received]]] = []
        self._page: dict[str, tuple[float, str]] = {}
        self._seen: set[bytes] = set()
        self._expires_at = 0.0
        self._given_back = 0

    def __enter__(self) -> Self:
        self._pool = ThreadPoolExecutor(self._max_calls, thread_name_prefix="penstock-lease")
        self._handles = TemporaryFile("w+", encoding="utf-8")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with self._handles:
            try:
                self._give_back()
            except BaseException:
                # Interrupted: what is left is given back all the same. A second interruption ends it.
                self._give_back()
                raise

    def pages(self) -> Iterator[list[Received]]:
        """Lease and yield pages of messages, each message once, until the queue has no more.

        Messages of a page that have not been deleted when the next page is requested stay leased until the end.

        Raises:
            penstock.queue.QueueError: the queue cannot be read.
        """
        pages_without_new = repeated = 0
        # In a slow run, leases expire and their messages come back ahead of new ones: go through all of them once.
        while pages_without_new < _MAX_PAGES_WITHOUT_NEW or repeated <= len(self._seen):
            self._store_handles()
            page = self._receive() if self._running is None else self._receive_ahead(self._running)
            if not page:
                return
            fresh = {m.message_id: m for m in page if _digest(m.message_id) not in self._seen}
            pages_without_new, repeated = (0, 0) if fresh else (pages_without_new + 1, repeated + len(page))
            if fresh:
                yield list(fresh.values())

    def delete(self, messages: Sequence[Received]) -> dict[int, str]:
        """Delete messages of the newest page; return the positions that were not deleted, with the error codes.

        If the page's leases have expired, nothing is deleted: another consumer may have the messages by now.
        """
        if self._clock() >= self._expires_at:
            return dict.fromkeys(range(len(messages)), LEASE_LOST)
        handles = [message.receipt_handle for message in messages]
        refused = self._queue.delete(handles) if handles else {}
        for index, message in enumerate(messages):
            if index not in refused:
                self._page.pop(message.message_id, None)
        return {index: refusal.code for index, refusal in refused.items()}

    def _receive(self) -> list[Received]:
        """Receive a page in parallel calls: twice as many after one that was more than half full, else half."""
        # Computed before the calls, so that no lease expires earlier than this.
        self._expires_at = self._clock() + self._seconds
        calls = [self._pool.submit(self._receive_some) for _ in range(self._calls)]
        wait(calls)
        page = self._collect()
        for call in calls:
            call.result()  # Raises the error of a call that failed.
        is_full = len(page) > len(calls) * self._limit // 2
        self._calls = min(2 * self._calls, self._max_calls) if is_full else max(1, self._calls // 2)
        return page

    def _receive_ahead(self, running: list[Future[int]]) -> list[Received]:
        """Return what has arrived, and keep as many calls running as the queue fills; nothing at its end.

        Only the oldest call is waited for. The others go on meanwhile, and while the caller works on a page.
        """
        while True:
            running += [self._pool.submit(self._receive_some) for _ in range(self._calls - len(running))]
            wait(running[:1])
            page = self._collect()
            done = [call for call in running if call.done()]
            running[:] = [call for call in running if call not in done]
            counts = [call.result() for call in done]  # Raises the error of a call that failed.
            for count in counts:
                self._calls = (
                    min(2 * self._calls, self._max_calls) if count > self._limit // 2 else max(1, self._calls - 1)
                )
            if sum(len(message.body) for message in page) > len(page) * _LARGE_CHARACTERS:
                self._calls = min(self._calls, max(1, self._max_calls // 2))
            if page or not (running or any(counts)):
                return page

    def _receive_some(self) -> int:
        """Receive in a thread of the pool. The thread records what it got: its caller may be interrupted."""
        call = object()
        self._calls_in_flight.add(call)
        try:
            if self._is_over:
                return 0
            expires_at = self._clock() + self._seconds
            received = self._queue.receive(
                self._limit, wait_seconds=_WAIT_SECONDS, visibility_seconds=self._seconds
            )
            self._arrived.append((expires_at, received))
            return len(received)
        finally:
            self._calls_in_flight.discard(call)

    def _collect(self) -> list[Received]:
        """Record the leases that have arrived, and return their messages."""
        page: list[Received] = []
        while self._arrived:
            expires_at, received = self._arrived[0]
            self._page |= {message.message_id: (expires_at, message.receipt_handle) for message in received}
            page += received
            del self._arrived[0]
        return page

    def _store_handles(self) -> None:
        """Store the handles that are left of the page, each with the time when its lease expires."""
        self._seen.update(map(_digest, self._page))
        self._handles.writelines(f"{expires_at} {handle}\n" for expires_at, handle in self._page.values())
        self._page.clear()

    def _give_back(self) -> None:
        """Make all messages that are still leased visible again, if the queue allows it.

        It can be called again after an interruption: what was given back is not given back twice.
        """
        self._is_over = True
        self._pool.shutdown()
        while self._calls_in_flight:
            # An interruption while the pool started a thread makes the pool forget this thread.
            time.sleep(_POLL_SECONDS)
        self._collect()
        self._store_handles()
        for lines in chunked(self._lines_from(self._given_back), _RELEASE_BATCH):
            leases = [(handle, 0) for handle in self._valid_handles(lines)]
            refused = self._queue.change_visibility(leases) if leases else {}
            self._given_back += len(lines)
            if leases and len(refused) == len(leases):
                # The queue is away, or refuses. The leases expire by themselves.
                return

    def _lines_from(self, number: int) -> Iterator[str]:
        self._handles.seek(0)
        yield from islice(self._handles, number, None)

    def _valid_handles(self, lines: Iterable[str]) -> Iterator[str]:
        """Return the handles in lines, without those whose leases have expired."""
        for line in lines:
            expires_at, _, handle = line.rstrip("\n").partition(" ")
            if float(expires_at) > self._clock():
                yield handle


def _digest(message_id: str) -> bytes:
    return sha256(message_id.encode()).digest()[:16]


def scan_seconds(messages: int) -> int:
    """Return the duration in seconds of leases that outlast a scan of `messages`."""
    return min(PAGE_SECONDS + messages // _MIN_SCANNED_PER_SECOND, _MAX_LEASE_SECONDS)
