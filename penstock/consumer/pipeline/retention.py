"""Nothing is dropped by the queue: what is still undecided is dead-lettered before its retention ends.

An item that goes back is delivered again after a visibility timeout of a third of the margin at most. So an item
that goes back outside of the margin comes back at least two thirds of it, a day, before the end, and is then
dead-lettered. That holds for every fault, that of the database included.
"""

import logging
import time
from collections.abc import Mapping

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import DataFault, EnvironmentFault, Fault, NotYetFault, UndecidedFault
from penstock.queue import Queue

PATIENCE_SECONDS = 15 * 60
"""How long an intent that cannot be written yet is tried at least, from its first receive on."""

_DEFAULT_SECONDS = 14 * 86_400
"""What a queue of Penstock has (infra/queues.yml), and the most that SQS allows."""
_MARGIN_SECONDS = 36 * 3600
_MARGIN_SHARE = 1 / 4
"""The margin is no larger than this part of the retention."""
_ASK_AGAIN_SECONDS = 60

_logger = logging.getLogger(__name__)


class Retention:
    """How long the queue still keeps the messages of a batch."""

    def __init__(self, queue: Queue) -> None:
        """Take the queue; nothing is read before the first item goes back."""
        self._queue = queue
        self._known: int | None = None
        self._next_question = 0.0

    def is_ending(self, item: Item) -> bool:
        """Return whether the message of an item is so old that it must not go back."""
        sent_at = item.milliseconds("SentTimestamp")
        if sent_at is None:
            return False
        return self._queue.now() >= sent_at / 1000 + self._seconds - self._margin

    def is_patient(self, item: Item) -> bool:
        """Return whether it is too soon to give up an item that cannot be written yet."""
        first = item.milliseconds("ApproximateFirstReceiveTimestamp")
        return first is not None and self._queue.now() < first / 1000 + PATIENCE_SECONDS

    @property
    def longest_delay_seconds(self) -> int:
        """The longest time after which an item may be delivered again."""
        return max(1, int(self._margin / 3))

    @property
    def _margin(self) -> float:
        return min(_MARGIN_SECONDS, self._seconds * _MARGIN_SHARE)

    @property
    def _seconds(self) -> int:
        if self._known is None and time.monotonic() >= self._next_question:
            self._next_question = time.monotonic() + _ASK_AGAIN_SECONDS
            try:
                self._known = self._queue.retention_seconds()
            except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
                named = {"action": "retention_unknown"}
                _logger.warning("retention of the queue unknown: %s", type(error).__name__, extra=named)
        return self._known or _DEFAULT_SECONDS


def set_aside_ending(faults: Mapping[Item, Fault], retention: Retention) -> dict[Item, Fault]:
    """Return the faults, in which an item that would go back too late has a fault that says so."""
    return {
        item: UndecidedFault(fault) if _may_pass(fault) and retention.is_ending(item) else fault
        for item, fault in faults.items()
    }


def take_back_ending(batch: Batch, retention: Retention, raised: Fault | None) -> list[Item]:
    """Take those out of the items that go back whose message is too old for it; give each a fault that is dead."""
    ending = [item for item in batch.failed.values() if retention.is_ending(item)]
    for item in ending:
        del batch.failed[item.message_id]
        if not item.is_dead:
            first = item.first_occurrence
            last = item.fault or raised or (first.fault if first else None) or EnvironmentFault("unknown")
            item.fault, item.retry_later = UndecidedFault(last), False
    return ending


def _may_pass(fault: Fault) -> bool:
    return not isinstance(fault, DataFault) or isinstance(fault, NotYetFault)
