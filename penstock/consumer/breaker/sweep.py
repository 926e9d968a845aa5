"""The sweep: while the drain is off, the probe dead-letters the messages that the queue would drop before long.

A disabled mapping delivers nothing, so no drain can dead-letter what is near the end of the queue's retention. It
does not matter who disabled the mapping: the breaker, an operator, or somebody without a mark. The sweep needs
neither the database nor the drain, and leaves the mapping as it is.

A sweep leases all messages of the queue, once. It moves those in the margin before the end (see `Retention`) to
the dead-letter queue, and leaves the others leased for `LEASE_SECONDS`. Sweeps begin every third of the margin (12
hours on a queue of 14 days) by the clock, since the probe keeps no state. A message that went back just outside of
the margin is delivered again a third of the margin later at most, and the next sweep begins at most another third
later. So the last third of the margin is left as a reserve.

The leases delay the messages if the drain is turned on again. So nothing is swept in the first hour, in which most
outages end.
"""

import logging
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from threading import Lock
from typing import Any

from penstock.consumer.dead_letter import DeadLetter, log_letter, send_letters
from penstock.consumer.faults.tree import EnvironmentFault, UndecidedFault
from penstock.consumer.retention import Retention
from penstock.consumer.sent_time import SENT_ATTRIBUTE, with_time
from penstock.intents.envelope import Envelope, read_head
from penstock.intents.packs import singles
from penstock.intents.reference import Reference, read_reference
from penstock.queue import BATCH_LIMIT, Outgoing, Queue, Received
from penstock.queue.concurrency import for_each

Head = Envelope[Any] | Reference | None

LEASE_SECONDS = 900
"""How long a message that stays is leased. If the drain is on again earlier, it is delivered that much later: no
later than after a batch that failed."""

_LONGEST_WINDOW_SECONDS = LEASE_SECONDS
"""The runs of one sweep begin in this time. It is no longer than the lease: no message is received twice."""

_SHARE = 1 / 4
"""The window and the time before the first sweep are no longer than this part of the time between two sweeps."""

_LEAST_SECONDS = 3600
"""How long the mapping must have been disabled; less if sweeps are less than four hours apart."""

_THREADS = 8

_DRAIN_IS_OFF = UndecidedFault(EnvironmentFault("DrainOff"))

_logger = logging.getLogger(__name__)


class Sweep:
    """Sweeps a queue whose drain is off."""

    def __init__(
        self,
        queue: Queue,
        dead_letters: Queue,
        tell: Callable[[Iterable[DeadLetter]], object] = lambda _letters: None,
    ) -> None:
        """Take the queue and its dead-letter queue; neither is called yet.

        Args:
            queue: the queue.
            dead_letters: its dead-letter queue.
            tell: called with the letters that the dead-letter queue has accepted, from several threads.
        """
        self._queue = queue
        self._dead_letters = dead_letters
        self._tell = tell
        self._retention = Retention(queue)
        self._unfinished = False

    @property
    def is_due(self) -> bool:
        """Whether it is time for a sweep, or the last run found so much that there may be more."""
        window = min(_LONGEST_WINDOW_SECONDS, self._pause * _SHARE)
        return self._unfinished or self._queue.now() % self._pause < window

    def is_long_ago(self, disabled_at: float) -> bool:
        """Return whether a mapping that was disabled at this time, in seconds since the epoch, needs a sweep."""
        return self._queue.now() >= disabled_at + min(_LEAST_SECONDS, self._pause * _SHARE)

    @property
    def _pause(self) -> int:
        """The seconds from one sweep to the next."""
        return self._retention.longest_delay_seconds

    def run(self, seconds: float, function_version: str) -> int:
        """Sweep for some seconds, or until every message of the queue is leased.

        Args:
            seconds: how long messages are received. What was received last is still dealt with.
            function_version: the version of the Lambda function, for the dead letters.

        Returns:
            The number of dead letters.

        Raises:
            penstock.queue.QueueError: the queue cannot be read.
        """
        end = time.monotonic() + seconds
        found: list[int] = []
        lock = Lock()

        def receive(_thread: int) -> None:
            while time.monotonic() < end and (
                leased := self._queue.receive(BATCH_LIMIT, visibility_seconds=LEASE_SECONDS)
            ):
                ending = [message for message in leased if self._retention.ends_soon(message.sent_at)]
                count = self._set_aside(ending, function_version) if ending else 0
                with lock:
                    found.append(count)

        for_each(range(_THREADS), receive, _THREADS)
        self._unfinished = time.monotonic() >= end and any(found)
        _logger.info("swept", extra={"action": "swept", "receives": len(found), "dead": sum(found)})
        return sum(found)

    def _set_aside(self, ending: Sequence[Received], function_version: str) -> int:
        """Dead-letter messages, and the intents of packs each alone; return how many letters were sent.

        What the dead-letter queue refuses stays on the queue.
        """
        letters, copies, owners = [], [], []
        for owner, message in enumerate(ending):
            for number, body in enumerate(singles(message.body)):
                head = read_head(body) or read_reference(body)
                letters.append(_letter(message, head, function_version))
                copies.append(letters[-1].stamp(self._copy(message, body, number, head)))
                owners.append(owner)
        refused = send_letters(self._dead_letters, copies)
        for index, letter in enumerate(letters):
            log_letter(_logger, letter, refused.get(index))
        self._tell([letter for index, letter in enumerate(letters) if index not in refused])
        staying = {owners[index] for index in refused}
        sent = [message.receipt_handle for owner, message in enumerate(ending) if owner not in staying]
        # What cannot be deleted is dead-lettered twice, which does no harm: the ledger claims each id once.
        self._queue.delete(sent)
        return len(letters) - len(refused)

    def _copy(self, message: Received, body: str, number: int, head: Head) -> Outgoing:
        # A new deduplication id, as in the drain's letters: see `penstock.consumer.pipeline.dead_letters`.
        deduplication_id = f"{message.message_id}#{number}" if self._queue.fifo else None
        copy = Outgoing(body, message.attributes, message.group, deduplication_id)
        # Penstock's own envelopes have their time. Another sender's may have none, and then it is that of SQS.
        if head or SENT_ATTRIBUTE in message.attributes:
            return copy
        return with_time(copy, datetime.fromtimestamp(message.sent_at, UTC))


def _letter(message: Received, head: Head, function_version: str) -> DeadLetter:
    return DeadLetter.of(
        _DRAIN_IS_OFF,
        kind=head.type if head else None,
        id=str(head.id) if head else None,
        receive_count=message.receive_count,
        first_seen=datetime.fromtimestamp(message.first_received_at, UTC).isoformat(),
        function_version=function_version,
    )
