"""The queue as the rest of Penstock sees it: SQS in earnest, memory in users' tests."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from penstock.queue.message import Outgoing, Received


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why the queue did not do what was asked of it for one message.

    Attributes:
        code: the vendor's code, such as `ThrottlingException` or `AWS.SimpleQueueService.NonExistentQueue`.
        retryable: whether the same call may go through later.
    """

    code: str
    retryable: bool


DEADLINE_EXCEEDED = Refusal("DeadlineExceeded", retryable=True)
"""There was no time left to ask the queue."""

NOT_ACKNOWLEDGED = Refusal("NotAcknowledged", retryable=True)
"""The queue answered and said nothing about this message."""

BEHIND_A_REFUSAL = Refusal("BehindRefusal", retryable=True)
"""An earlier message of the same group was refused; sent now, this one would overtake it."""


@dataclass(frozen=True, slots=True)
class Depth:
    """Roughly how many messages a queue holds (SQS: approximate counts)."""

    visible: int
    in_flight: int
    delayed: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.visible + self.in_flight + self.delayed


class Queue(Protocol):
    """A queue that leases its messages to whoever receives them.

    Where a method returns refusals, they are by position in what was given: a position that is not there
    was done and acknowledged. An unreachable queue is a refusal of every position, not an exception.

    Such a method takes `timeout_seconds`: after that time no call to the queue is begun any more, and what is
    left is refused as `DeadlineExceeded`; 0 or less begins none. A call that is under way may still take seconds.
    None is the queue's own patience.
    """

    @property
    def fifo(self) -> bool:
        """Whether it keeps the order within a message group; then every message needs one."""

    def send(self, messages: Sequence[Outgoing], *, timeout_seconds: float | None = None) -> dict[int, Refusal]:
        """Send the messages; the positions returned were not acknowledged.

        On a FIFO queue the order within a group is kept: behind a refused message nothing of its group is sent.
        """

    def receive(self, limit: int, *, wait_seconds: int = 0, visibility_seconds: int = 30) -> list[Received]:
        """Lease up to `limit` (at most 10) messages for `visibility_seconds`, waiting for the first.

        Raises:
            QueueError: the queue cannot be read.
        """

    def delete(
        self, receipt_handles: Sequence[str], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Delete leased messages for good."""

    def change_visibility(
        self, leases: Sequence[tuple[str, int]], *, timeout_seconds: float | None = None
    ) -> dict[int, Refusal]:
        """Set for each receipt handle in how many seconds from now its message comes back."""

    def depth(self) -> Depth:
        """Count the messages, roughly.

        Raises:
            QueueError: the queue cannot be read.
        """


class QueueError(Exception):
    """The queue cannot be read; the message says why and what to look at."""
