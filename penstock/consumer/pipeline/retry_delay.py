"""The step `schedule retries`: an item that is handed back gets a growing visibility timeout with full jitter."""

import logging
import random

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import NotYetFault
from penstock.consumer.retention import Retention, longest_delay_seconds
from penstock.queue import Queue

_FIRST_DELAY_SECONDS = 5
LONGEST_DELAY_SECONDS = 900
"""The longest delay in a short outage. SQS allows the same for a message that is sent (SQS: message timers)."""
_NOT_YET_SECONDS = 15
_SHORT_ROUNDS = 16
"""After this many receives, about an hour, an outage is long. There are 100 in 14 days (infra/penstock.yml)."""
_LONGEST_REST_SECONDS = 11 * 3600
"""SQS allows 12 hours, counted from the receive (Amazon SQS API Reference, "ChangeMessageVisibility")."""

_logger = logging.getLogger(__name__)


def set_retry_visibility(batch: Batch, queue: Queue, retention: Retention) -> None:
    """Set when each failed item is delivered again. If that fails, its visibility timeout stays as it is.

    Args:
        batch: the batch.
        queue: its queue.
        retention: how long the queue keeps the messages.
    """
    try:
        longest = retention.longest_delay_seconds if batch.failed else 0
        # By the handle, which the intents of a pack share.
        leases = {str(i.record["receiptHandle"]): min(delay_seconds(i), longest) for i in batch.returning}
        refused = queue.change_visibility([*leases.items()], timeout_seconds=batch.seconds_left / 2)
        codes = {refusal.code for refusal in refused.values()}
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        codes = {type(error).__name__}
    if codes:
        _logger.warning("visibility unchanged: %s", ", ".join(sorted(codes)), extra={"action": "delay_refused"})


def receives_within(retention_seconds: int) -> int:
    """Return how often a message can be received at most by this schedule before its retention ends.

    A `maxReceiveCount` below that makes SQS dead-letter messages in an outage.

    Args:
        retention_seconds: how long the queue keeps a message.
    """
    longest = longest_delay_seconds(retention_seconds)
    receives, age = 0, 0
    while age < retention_seconds:
        receives += 1
        age += min(_shortest(receives), longest)
    return receives


def _shortest(receive_count: int) -> int:
    """Return the shortest delay after this many receives."""
    return _long_rests(receive_count - _SHORT_ROUNDS)[0] if receive_count > _SHORT_ROUNDS else 1


def delay_seconds(item: Item) -> int:
    """Return a fixed delay for an item that cannot be written yet, and a random one (full jitter) for others."""
    if item.receive_count > _SHORT_ROUNDS:
        return random.randint(*_long_rests(item.receive_count - _SHORT_ROUNDS))  # noqa: S311 (jitter is no secret)
    factor = 1 << min(item.receive_count - 1, 10)
    if isinstance(item.fault, NotYetFault):
        return min(LONGEST_DELAY_SECONDS, _NOT_YET_SECONDS * factor)
    longest = min(LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * factor)
    return random.randint(1, longest)  # noqa: S311 (jitter is no secret)


def _long_rests(rounds: int) -> tuple[int, int]:
    """Return the bounds of a delay that grows each round: a long outage never reaches the `maxReceiveCount`."""
    longest = min(_LONGEST_REST_SECONDS, LONGEST_DELAY_SECONDS * rounds)
    return longest // 2, longest
