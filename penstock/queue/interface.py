"""The interface of a queue. Its implementations are SQS and, for users' tests, a queue in memory."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.queue.message import Outgoing, Received


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the queue did not process one message.

    Attributes:
        code: the code of the service, such as `ThrottlingException` or `AWS.SimpleQueueService.NonExistentQueue`.
        retryable: whether the same call may succeed later.
    """

    code: str
    retryable: bool


DEADLINE_EXCEEDED = Refusal("DeadlineExceeded", retryable=True)
"""The deadline expired before the queue was called."""

NOT_ACKNOWLEDGED = Refusal("NotAcknowledged", retryable=True)
"""The response of the queue did not mention this message."""

BEHIND_A_REFUSAL = Refusal("BehindRefusal", retryable=True)
"""An earlier message of the same group was refused. Sending this one would change the order in the group."""


@dataclass(frozen=True, slots=True)
class Depth:
    """The approximate number of messages on a queue (SQS: approximate counts)."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """The sum of the three counts."""
        return self.visible + self.in_flight + self.delayed


class Queue(Protocol):
    """A queue that leases each message to its receiver.

    Some methods return refusals, by the position of the item in the argument. An item without a refusal was
    processed and acknowledged. If the queue cannot be reached, every item is refused; this raises no exception.

    These methods take `timeout_seconds`. After that time no call to the queue starts, and the remaining items are
    refused as `DeadlineExceeded`; with 0 or less, no call starts at all. A call that has started may still take
    some seconds. None stands for the default timeout of the queue.
    """

    @property
    def fifo(self) -> bool:
        """Whether the queue keeps the order within a message group. If it does, every message needs a group."""

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send messages; return the refusals of those that were not acknowledged.

        A FIFO queue keeps the order within a group: after a refused message, no other of its group is sent.
        """

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Lease up to `limit` (at most 10) messages for `visibility_seconds`.

        If there is no message, this waits up to `wait_seconds` for one.

        Raises:
            QueueError: the queue cannot be read.
        """

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete leased messages; return the refusals."""

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Set, for each receipt handle, in how many seconds from now its message becomes visible again."""

    def now(self) -> float:
        """Return the time by which the queue counts the age of its messages, in seconds since the epoch."""

    def retention_seconds(self) -> int:
        """Return how long the queue keeps a message before it drops it.

        Raises:
            QueueError: the queue cannot be read.
        """

    def depth(self) -> Depth:
        """Return the approximate number of messages.

        Raises:
            QueueError: the queue cannot be read.
        """


class QueueError(Exception):
    """The queue cannot be read; the message names the queue and the reason."""
