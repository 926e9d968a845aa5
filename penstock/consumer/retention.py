"""How long a queue still keeps a message, and how long before that it must not go back to the queue any more."""

import logging
import time

from penstock.consumer.batch import Item
from penstock.queue import Queue

PATIENCE_SECONDS = 15 * 60
"""How long an intent that cannot be written yet is tried at least, from its first receive on."""

_DEFAULT_SECONDS = 14 * 86_400
"""What a queue of Penstock has (infra/penstock.yml), and the most that SQS allows."""
_MARGIN_SECONDS = 36 * 3600
_MARGIN_SHARE = 1 / 4
"""The margin is no larger than this part of the retention."""
_ASK_AGAIN_SECONDS = 60

_logger = logging.getLogger(__name__)


class Retention:
    """How long a queue still keeps its messages."""

    def __init__(self, queue: Queue) -> None:
        """Take the queue; nothing is read before the first item goes back."""
        self._queue = queue
        self._known: int | None = None
        self._next_question = 0.0

    def is_ending(self, item: Item) -> bool:
        """Return whether the message of an item is so old that it must not go back."""
        sent_at = item.number("SentTimestamp")
        return sent_at is not None and self.ends_soon(sent_at / 1000)

    def ends_soon(self, sent_at: float) -> bool:
        """Return whether a message that was sent at this time, in seconds since the epoch, must not go back."""
        return self._queue.now() >= sent_at + self._seconds - self._margin

    def seconds_left(self, age: float) -> float:
        """Return how long a message of this age, in seconds, may still go back to the queue."""
        return max(0.0, self._seconds - self._margin - age)

    def is_patient(self, item: Item) -> bool:
        """Return whether it is too soon to give up an item that cannot be written yet."""
        first = item.number("ApproximateFirstReceiveTimestamp")
        return first is not None and self._queue.now() < first / 1000 + PATIENCE_SECONDS

    @property
    def longest_delay_seconds(self) -> int:
        """The longest time after which an item may be delivered again."""
        return longest_delay_seconds(self._seconds)

    @property
    def _margin(self) -> float:
        return _margin(self._seconds)

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


def longest_delay_seconds(retention_seconds: int) -> int:
    """Return the longest time after which an item of a queue with this retention may be delivered again."""
    return max(1, int(_margin(retention_seconds) / 3))


def _margin(retention_seconds: int) -> float:
    return min(_MARGIN_SECONDS, retention_seconds * _MARGIN_SHARE)
