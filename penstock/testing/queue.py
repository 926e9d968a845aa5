"""A queue in memory that behaves as SQS does, for tests that must neither wait nor need AWS."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Sequence
from dataclasses import dataclass
from functools import wraps
from threading import RLock
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar
from uuid import uuid4

from penstock.queue import (
    ATTRIBUTE_LIMIT,
    BATCH_LIMIT,
    BEHIND_A_REFUSAL,
    DEADLINE_EXCEEDED,
    GROUP_PATTERN,
    MESSAGE_LIMIT_BYTES,
    Depth,
    Outgoing,
    QueueError,
    Received,
    Refusal,
)
from penstock.testing.clock import ManualClock

P = ParamSpec("P")
T = TypeVar("T")

Call = Literal["send", "receive", "delete", "change_visibility"]

_UNSENDABLE = re.compile("[^\t\n\r\u0020-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_LONGEST_VISIBILITY_SECONDS = 43_200
_DEDUPLICATION_SECONDS = 300
_IN_FLIGHT_LIMIT = 120_000


@dataclass(slots=True)
class _Kept:
    """A message on the queue and its newest lease."""

    message: Outgoing
    message_id: str
    sent_at: float
    visible_at: float
    receive_count: int = 0
    first_received_at: float | None = None
    receipt_handle: str = ""


@dataclass(slots=True)
class _Fault:
    """Refusals that a test has asked for."""

    refusal: Refusal
    calls: int | None
    positions: Collection[int] | None


def _alone(method: Callable[Concatenate["MemoryQueue", P], T]) -> Callable[Concatenate["MemoryQueue", P], T]:
    """Let one thread at a time call a method: SQS gives no two of them one message."""

    @wraps(method)
    def alone(queue: "MemoryQueue", /, *args: P.args, **kwargs: P.kwargs) -> T:
        with queue._turn:
            return method(queue, *args, **kwargs)

    return alone


class MemoryQueue:
    """A queue in memory, standard or FIFO; see `penstock.queue.Queue` for what its methods promise.

        queue = MemoryQueue()
        emitter = ...                       # whatever takes a Queue
        assert queue.bodies[0]["type"] == "stock.adjusted"
        queue.clock.advance(31)             # every lease of 30 seconds has run out

    It leases, counts receives and refuses what SQS refuses (a message over 1 MiB, over ten attributes, characters
    outside of XML 1.0's), and takes and gives text alone. A lease that another receiver has since taken over
    cannot delete any more and says so; SQS may acknowledge such a call and do nothing (SQS: DeleteMessage).

    With `fifo` it is a FIFO queue: it asks for a group and a deduplication id, swallows what it has had in the
    last five minutes, and gives nothing of a group while a message of it is under lease.

    While 120,000 messages are under lease it gives nothing more. To who would wait for messages it says nothing of
    that; a call that would not wait is refused as `OverLimit`, except by a FIFO queue (SQS quotas: messages per
    queue, in flight).
    """

    def __init__(
        self, clock: ManualClock | None = None, *, fifo: bool = False, in_flight_limit: int = _IN_FLIGHT_LIMIT
    ) -> None:
        """Make an empty queue.

        Args:
            clock: what its leases run out by; by default one of its own, `queue.clock`.
            fifo: whether it is a FIFO queue.
            in_flight_limit: how many messages may be under lease at once.
        """
        self._in_flight_limit = in_flight_limit
        self.clock = clock or ManualClock()
        self.fifo = fifo
        self._sent_at: dict[str, float] = {}
        self._kept: list[_Kept] = []
        self._handles: set[str] = set()
        self._faults: dict[Call, _Fault] = {}
        self._turn = RLock()

    @property
    def messages(self) -> list[Outgoing]:
        """Every message that is on the queue, under lease or not, oldest first."""
        return [kept.message for kept in self._kept]

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
        """Refuse the next calls, in place of what was asked before.

        Args:
            code: the code to refuse with.
            call: which method refuses; a refused `receive` raises QueueError.
            calls: how many calls: None for all until `accept`.
            positions: which messages of each call; by default every one.
            retryable: what the refusals say of themselves.
        """
        self._faults[call] = _Fault(Refusal(code, retryable), calls, positions)

    def accept(self) -> None:
        """Refuse nothing any more but what SQS itself would."""
        self._faults.clear()

    @_alone
    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Keep the messages that SQS would take."""
        refused = self._injected("send", len(messages), timeout_seconds)
        stuck: set[str | None] = set()
        for index, message in enumerate(messages):
            if index in refused:
                stuck.add(message.group)
                continue
            reason = _unsendable(message) or _unsuitable(message, fifo=self.fifo)
            if self.fifo and message.group in stuck:
                refused[index] = BEHIND_A_REFUSAL
            elif reason:
                refused[index] = Refusal(reason, retryable=False)
                stuck.add(message.group)
            elif not self._had(message):
                self._kept.append(_Kept(message, str(uuid4()), self.clock(), self.clock()))
        return refused

    @_alone
    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Lease the oldest messages that are under no lease; never waits, since only the caller could send.

        Raises:
            QueueError: `refuse` has said so, or too many are under lease.
            ValueError: a number is outside of what SQS takes.
        """
        _in_range("limit", limit, 1, BATCH_LIMIT)
        _in_range("wait_seconds", wait_seconds, 0, 20)
        _in_range("visibility_seconds", visibility_seconds, 0, _LONGEST_VISIBILITY_SECONDS)
        for refusal in self._injected("receive", 1).values():
            raise QueueError(f"the queue in memory cannot be read: {refusal.code}")
        room = self._in_flight_limit - self.depth().in_flight
        if room <= 0 and not wait_seconds and not self.fifo:
            raise QueueError("the queue in memory cannot be read: OverLimit")
        visible = [kept for kept in self._kept if kept.visible_at <= self.clock() and not self._blocked(kept)]
        return [self._lease(kept, visibility_seconds) for kept in visible[: max(0, min(limit, room))]]

    @_alone
    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete; a message that is gone already counts as deleted."""
        refused = self._injected("delete", len(receipt_handles), timeout_seconds)
        for index, handle in enumerate(receipt_handles):
            if index in refused:
                continue
            if self._find(handle) or handle in self._handles:
                self._kept = [kept for kept in self._kept if kept.receipt_handle != handle]
            else:
                refused[index] = Refusal("ReceiptHandleIsInvalid", retryable=False)
        return refused

    @_alone
    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Set the time that a running lease has left; one that has run out cannot be prolonged."""
        refused = self._injected("change_visibility", len(leases), timeout_seconds)
        for index, (handle, seconds) in enumerate(leases):
            _in_range("visibility", seconds, 0, _LONGEST_VISIBILITY_SECONDS)
            if index in refused:
                continue
            kept = self._find(handle)
            if kept and kept.visible_at > self.clock():
                kept.visible_at = self.clock() + seconds
            else:
                code = "InvalidParameterValue" if kept else "ReceiptHandleIsInvalid"
                refused[index] = Refusal(code, retryable=False)
        return refused

    def depth(self) -> Depth:
        """Count the messages, exactly."""
        visible = sum(kept.visible_at <= self.clock() for kept in self._kept)
        return Depth(visible=visible, in_flight=len(self._kept) - visible, delayed=0)

    def _lease(self, kept: _Kept, seconds: int) -> Received:
        # The handle of a lease that is taken over is forgotten: from now on it is refused.
        self._handles.discard(kept.receipt_handle)
        kept.receipt_handle = str(uuid4())
        self._handles.add(kept.receipt_handle)
        kept.receive_count += 1
        if kept.first_received_at is None:
            kept.first_received_at = self.clock()
        kept.visible_at = self.clock() + seconds
        return Received(
            message_id=kept.message_id,
            receipt_handle=kept.receipt_handle,
            body=kept.message.body,
            attributes=dict(kept.message.attributes),
            receive_count=kept.receive_count,
            first_received_at=kept.first_received_at,
            sent_at=kept.sent_at,
            group=kept.message.group,
        )

    def _had(self, message: Outgoing) -> bool:
        """Tell whether a FIFO queue has had this message in the last five minutes; it has from now on."""
        if not self.fifo or message.deduplication_id is None:
            return False
        last = self._sent_at.get(message.deduplication_id)
        if last is not None and self.clock() < last + _DEDUPLICATION_SECONDS:
            return True
        self._sent_at[message.deduplication_id] = self.clock()
        return False

    def _blocked(self, kept: _Kept) -> bool:
        """Tell whether a message has to wait for another one of its group, on a FIFO queue."""
        return self.fifo and any(
            other.visible_at > self.clock() for other in self._kept if other.message.group == kept.message.group
        )

    def _find(self, handle: str) -> _Kept | None:
        return next((kept for kept in self._kept if kept.receipt_handle == handle != ""), None)

    def _injected(self, call: Call, count: int, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        if timeout_seconds is not None and timeout_seconds <= 0:
            return dict.fromkeys(range(count), DEADLINE_EXCEEDED)
        fault = self._faults.get(call)
        if fault is None:
            return {}
        if fault.calls is not None:
            fault.calls -= 1
            if not fault.calls:
                del self._faults[call]
        positions: Iterable[int] = range(count) if fault.positions is None else fault.positions
        return {index: fault.refusal for index in positions if index < count}


def _unsendable(message: Outgoing) -> str | None:
    """Return the code that SQS refuses a message with; None if it takes it."""
    texts = [message.body, *(v.value for v in message.attributes.values() if isinstance(v.value, str))]
    if not all(value.value for value in message.attributes.values()):
        return "InvalidParameterValue"
    if not message.body:
        return "MissingParameter"
    if any(_UNSENDABLE.search(text) for text in texts):
        return "InvalidMessageContents"
    if message.size > MESSAGE_LIMIT_BYTES:
        return "AWS.SimpleQueueService.BatchRequestTooLong"
    if len(message.attributes) > ATTRIBUTE_LIMIT:
        return "InvalidParameterValue"
    return None


def _unsuitable(message: Outgoing, *, fifo: bool) -> str | None:
    """Return the code that a queue of this type refuses a message with; None if it takes it."""
    if fifo and message.group is None:
        return "MissingParameter"
    if message.group is not None and not re.fullmatch(GROUP_PATTERN, message.group):
        return "InvalidParameterValue"
    return "InvalidParameterValue" if fifo and message.deduplication_id is None else None


def _in_range(name: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise ValueError(f"{name} must be {least} to {most}, not {value}")
