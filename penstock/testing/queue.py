"""A queue in memory that behaves as SQS does, for tests that must neither wait nor need AWS."""

import json
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, ParamSpec, TypeVar
from uuid import uuid4

from penstock.queue import BATCH_LIMIT, BEHIND_A_REFUSAL, Depth, Outgoing, QueueError, Received, Refusal
from penstock.testing.clock import ManualClock
from penstock.testing.injection import Call, InjectedRefusals
from penstock.testing.message_rules import refusal_code, require_in_range

P = ParamSpec("P")
T = TypeVar("T")

_LONGEST_VISIBILITY_SECONDS = 43_200
_DEDUPLICATION_SECONDS = 300
_RETENTION_SECONDS = 14 * 86_400
_IN_FLIGHT_LIMIT = 120_000


@dataclass(slots=True)
class _Stored:
    """A message on the queue and its latest lease."""

    message: Outgoing
    message_id: str
    sent_at: float
    visible_at: float
    receive_count: int = 0
    first_received_at: float | None = None
    receipt_handle: str = ""


def _synchronized(
    method: Callable[Concatenate["MemoryQueue", P], T],
) -> Callable[Concatenate["MemoryQueue", P], T]:
    """Let one thread at a time call a method: no two receivers may get the same message."""

    @wraps(method)
    def locked(queue: "MemoryQueue", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with queue._mutex:
            return method(queue, *args, **kwargs)

    return locked


class MemoryQueue:
    """A queue in memory, standard or FIFO; `penstock.queue.Queue` documents the methods.

        queue = MemoryQueue()
        emitter = ...                       # anything that takes a Queue
        assert queue.bodies[0]["type"] == "stock.adjusted"
        queue.clock.advance(31)             # every lease of 30 seconds has expired

    It leases messages and counts receives. It accepts strings only, and refuses what SQS refuses: a message over
    1 MiB, more than ten attributes, characters that XML 1.0 does not allow. If another receiver has taken over a
    lease, a delete with the old handle is refused; SQS may acknowledge such a call and do nothing (SQS:
    DeleteMessage).

    With `fifo` it is a FIFO queue: each message needs a group and a deduplication id. It drops a message whose
    deduplication id it has received in the last five minutes. While a message of a group is leased, it delivers no
    other message of that group.

    A `receive` drops the messages that are older than the retention period.

    While 120,000 messages are leased it delivers no more. A `receive` that waits then returns nothing; one that
    does not wait is refused as `OverLimit`, except on a FIFO queue (SQS quotas: messages per queue, in flight).
    """

    def __init__(
        self,
        clock: ManualClock | None = None,
        *,
        fifo: bool = False,
        in_flight_limit: int = _IN_FLIGHT_LIMIT,
        retention_seconds: int = _RETENTION_SECONDS,
    ) -> None:
        """Make an empty queue.

        Args:
            clock: the clock by which leases expire; by default a new one, `queue.clock`.
            fifo: whether it is a FIFO queue.
            in_flight_limit: the most messages that may be leased at once.
            retention_seconds: how long it keeps a message.
        """
        self._retention_seconds = retention_seconds
        self._in_flight_limit = in_flight_limit
        self.clock = clock or ManualClock()
        self.fifo = fifo
        self._sent_at: dict[str, float] = {}
        self._stored: list[_Stored] = []
        self._handles: set[str] = set()
        self._injected = InjectedRefusals()
        self._mutex = RLock()

    @property
    def messages(self) -> list[Outgoing]:
        """All messages on the queue, leased or not, oldest first."""
        return [stored.message for stored in self._stored]

    @property
    def bodies(self) -> list[Any]:
        """The bodies of `messages`, decoded from JSON.

        Raises:
            ValueError: a body is not JSON.
        """
        return [json.loads(message.body) for message in self.messages]

    def refuse(
        self,
        code: str = "ThrottlingException",
        *,
        call: Call = "send",
        calls: int | None = 1,
        positions: Collection[int] | None = None,
        retryable: bool = True,
    ) -> None:
        """Refuse the next calls of a method. This replaces an earlier `refuse` for the same method.

        Args:
            code: the code of the refusals.
            call: the method that refuses; a refused `receive` raises QueueError.
            calls: the number of calls; None for all calls until `accept`.
            positions: the positions to refuse in each call; by default all of them.
            retryable: whether the refusals are retryable.
        """
        self._injected.inject(call, Refusal(code, retryable), calls, positions)

    def accept(self) -> None:
        """Remove the refusals of `refuse`; what SQS itself refuses is still refused."""
        self._injected.clear()

    @_synchronized
    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Store the messages that SQS would accept."""
        refused = self._injected.next("send", len(messages), timeout_seconds)
        blocked: set[str | None] = set()
        for index, message in enumerate(messages):
            if index in refused:
                blocked.add(message.group)
                continue
            code = refusal_code(message, fifo=self.fifo)
            if self.fifo and message.group in blocked:
                refused[index] = BEHIND_A_REFUSAL
            elif code:
                refused[index] = Refusal(code, retryable=False)
                blocked.add(message.group)
            elif not self._is_duplicate(message):
                visible_at = self.clock() + message.delay_seconds
                self._stored.append(_Stored(message, str(uuid4()), self.clock(), visible_at))
        return refused

    @_synchronized
    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Lease the oldest visible messages. This never waits, because only the caller could send more.

        Raises:
            QueueError: `refuse` was called for this method, or too many messages are leased.
            ValueError: a number is out of the range that SQS accepts.
        """
        require_in_range("limit", limit, 1, BATCH_LIMIT)
        require_in_range("wait_seconds", wait_seconds, 0, 20)
        require_in_range("visibility_seconds", visibility_seconds, 0, _LONGEST_VISIBILITY_SECONDS)
        for refusal in self._injected.next("receive", 1).values():
            raise QueueError(f"the queue in memory cannot be read: {refusal.code}")
        free = self._in_flight_limit - self.depth().in_flight
        if free <= 0 and not wait_seconds and not self.fifo:
            raise QueueError("the queue in memory cannot be read: OverLimit")
        oldest = self.clock() - self._retention_seconds
        self._stored = [stored for stored in self._stored if stored.sent_at > oldest]
        visible = [one for one in self._stored if one.visible_at <= self.clock() and not self._is_blocked(one)]
        return [self._lease(stored, visibility_seconds) for stored in visible[: max(0, min(limit, free))]]

    @_synchronized
    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete messages. A message that is already deleted counts as deleted."""
        refused = self._injected.next("delete", len(receipt_handles), timeout_seconds)
        for index, handle in enumerate(receipt_handles):
            if index in refused:
                continue
            if self._find(handle) or handle in self._handles:
                self._stored = [stored for stored in self._stored if stored.receipt_handle != handle]
            else:
                refused[index] = Refusal("ReceiptHandleIsInvalid", retryable=False)
        return refused

    @_synchronized
    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Set the remaining time of leases. A lease that has expired cannot be extended."""
        refused = self._injected.next("change_visibility", len(leases), timeout_seconds)
        for index, (handle, seconds) in enumerate(leases):
            require_in_range("visibility", seconds, 0, _LONGEST_VISIBILITY_SECONDS)
            if index in refused:
                continue
            stored = self._find(handle)
            if stored and stored.visible_at > self.clock():
                stored.visible_at = self.clock() + seconds
            else:
                code = "InvalidParameterValue" if stored else "ReceiptHandleIsInvalid"
                refused[index] = Refusal(code, retryable=False)
        return refused

    def now(self) -> float:
        """Return the time of its clock."""
        return self.clock()

    def retention_seconds(self) -> int:
        """Return how long it keeps a message."""
        return self._retention_seconds

    def depth(self) -> Depth:
        """Return the exact number of messages."""
        hidden = [stored for stored in self._stored if stored.visible_at > self.clock()]
        in_flight = sum(stored.receive_count > 0 for stored in hidden)
        visible = len(self._stored) - len(hidden)
        return Depth(visible=visible, in_flight=in_flight, delayed=len(hidden) - in_flight)

    def _lease(self, stored: _Stored, seconds: int) -> Received:
        # This invalidates the handle of the previous lease.
        self._handles.discard(stored.receipt_handle)
        stored.receipt_handle = str(uuid4())
        self._handles.add(stored.receipt_handle)
        stored.receive_count += 1
        if stored.first_received_at is None:
            stored.first_received_at = self.clock()
        stored.visible_at = self.clock() + seconds
        return Received(
            message_id=stored.message_id,
            receipt_handle=stored.receipt_handle,
            body=stored.message.body,
            attributes=dict(stored.message.attributes),
            receive_count=stored.receive_count,
            first_received_at=stored.first_received_at,
            sent_at=stored.sent_at,
            group=stored.message.group,
        )

    def _is_duplicate(self, message: Outgoing) -> bool:
        """Return whether a FIFO queue got this message in the last five minutes; remember it otherwise."""
        if not self.fifo or message.deduplication_id is None:
            return False
        last = self._sent_at.get(message.deduplication_id)
        if last is not None and self.clock() < last + _DEDUPLICATION_SECONDS:
            return True
        self._sent_at[message.deduplication_id] = self.clock()
        return False

    def _is_blocked(self, stored: _Stored) -> bool:
        """Return whether another message of the same group is leased, on a FIFO queue."""
        return self.fifo and any(
            other.visible_at > self.clock()
            for other in self._stored
            if other.message.group == stored.message.group
        )

    def _find(self, handle: str) -> _Stored | None:
        return next((stored for stored in self._stored if stored.receipt_handle == handle != ""), None)
