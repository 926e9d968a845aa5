"""Emitting from asyncio: the event loop is not blocked, and the guarantees are those of `emit`."""

import asyncio
import contextvars
import time
from collections.abc import Sequence
from threading import Event, Lock
from uuid import UUID

import pytest
from pydantic import ValidationError

from penstock import NotAcknowledged
from penstock.producer import Producer, aio, emitter
from penstock.queue import Outgoing, Refusal
from penstock.testing import MemoryQueue
from tests.support.producer import SETTINGS, NoteTaken

SLOW = 1.5
"""How long a slow queue takes, in seconds."""


class SlowQueue(MemoryQueue):
    """A queue that answers slowly, and counts the calls that wait for it."""

    def __init__(self) -> None:
        super().__init__()
        self.most = self._now = 0
        self.seconds = 0.0
        self.expected_calls = 1
        self._lock, self._full = Lock(), Event()

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Wait for the other calls and for some seconds, then send."""
        with self._lock:
            self._now += 1
            self.most = max(self.most, self._now)
            if self._now >= self.expected_calls:
                self._full.set()
        self._full.wait(20)
        time.sleep(self.seconds)
        with self._lock:
            self._now -= 1
            return super().send(messages, timeout_seconds=timeout_seconds)


@pytest.fixture
def queue(monkeypatch: pytest.MonkeyPatch) -> SlowQueue:
    """The slow queue that the producer uses."""
    queue = SlowQueue()
    producer = Producer(SETTINGS, queue)
    monkeypatch.setattr(emitter, "environment_producer", lambda: producer)
    return queue


async def turns(stop: asyncio.Event) -> int:
    """Run until stopped; return how often the event loop had a turn for this."""
    count = 0
    while not stop.is_set():
        await asyncio.sleep(0.002)
        count += 1
    return count


def test_the_loop_is_not_blocked(queue: SlowQueue) -> None:
    """While one call and a call of many wait for a slow queue, the event loop runs."""
    queue.seconds = SLOW

    async def main() -> int:
        stop = asyncio.Event()
        watch = asyncio.create_task(turns(stop))
        many = (NoteTaken(text=str(n)) for n in range(2000))
        receipt, receipts = await asyncio.gather(aio.emit(NoteTaken(text="a")), aio.emit_many(many))
        assert {receipt.id, *(each.id for each in receipts)} == {*map(id_of, queue.bodies)}
        stop.set()
        return await watch

    # Hundreds, or a few if a call waited in the loop.
    assert asyncio.run(main()) > 20
    assert len(queue.messages) == 2001


def id_of(body: dict[str, str]) -> object:
    """Return the id of an envelope."""
    return UUID(body["id"])


def test_emits_run_at_once_within_a_bound(queue: SlowQueue) -> None:
    """Many calls wait for the queue at once, and never more than there are threads."""

    async def main() -> None:
        await asyncio.gather(*(aio.emit(NoteTaken(text=str(n))) for n in range(2 * aio.THREADS)))

    queue.expected_calls, queue.seconds = aio.THREADS, 0.1
    asyncio.run(main())
    assert queue.most == aio.THREADS
    assert len(queue.messages) == 2 * aio.THREADS


def test_every_option_is_passed_on(queue: SlowQueue) -> None:
    """Idempotency key and tenant have the same effect as in `emit`."""

    async def main() -> None:
        one = await aio.emit(NoteTaken(text="a"), idempotency_key="k", tenant="t")
        (other,) = await aio.emit_many([NoteTaken(text="b")], idempotency_key=lambda _: "k", tenant="t")
        assert one == other

    asyncio.run(main())
    assert [message.group for message in queue.messages] == ["t", "t"]


def test_errors_reach_the_caller(queue: SlowQueue) -> None:
    """`await emit` raises what `emit` raises."""
    with pytest.raises(ValidationError):
        asyncio.run(aio.emit(NoteTaken(text="\x00")))
    queue.refuse("ServiceUnavailable")
    with pytest.raises(NotAcknowledged, match="ServiceUnavailable"):
        asyncio.run(aio.emit_many([NoteTaken(text="a")]))


def test_the_context_is_copied(queue: SlowQueue, monkeypatch: pytest.MonkeyPatch) -> None:
    """The thread that emits has the caller's context variables, which include the trace."""
    variable = contextvars.ContextVar("variable", default="none")
    seen = []
    monkeypatch.setattr(emitter, "current_trace", lambda: seen.append(variable.get()))

    async def main() -> None:
        variable.set("mine")
        await aio.emit(NoteTaken(text="a"))

    asyncio.run(main())
    assert seen == ["mine"]
