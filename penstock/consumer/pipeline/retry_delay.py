"""Handing back: what has not landed returns to the queue, later and later, spread by full jitter."""

import logging
import random

from penstock.consumer.batch import Batch, Item
from penstock.consumer.faults.tree import NotYetFault
from penstock.queue import Queue

_FIRST_DELAY_SECONDS = 5
_LONGEST_DELAY_SECONDS = 900
_NOT_YET_SECONDS = 15
_ROUNDS = 16
"""After so many receives, an hour or so, it is no short outage: there are 100 for 14 days (infra/queues.yml)."""
_LONGEST_REST_SECONDS = 11 * 3600
"""SQS has 12 hours at most, from the receive on (SQS: ChangeMessageVisibility)."""

_logger = logging.getLogger(__name__)


def delay(batch: Batch, queue: Queue) -> None:
    """Set when each item comes back. If that fails it comes back when its visibility timeout runs out."""
    leases = [(str(item.record["receiptHandle"]), _seconds(item)) for item in batch.failed.values()]
    try:
        refused = queue.change_visibility(leases, timeout_seconds=batch.seconds_left / 2)
        codes = {refusal.code for refusal in refused.values()}
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        codes = {type(error).__name__}
    if codes:
        _logger.warning("visibility unchanged: %s", ", ".join(sorted(codes)), extra={"action": "delay_refused"})


def _seconds(item: Item) -> int:
    """Wait a while for what cannot land yet; spread out what an outage holds up (full jitter)."""
    factor = 1 << min(item.receive_count - 1, 10)
    if isinstance(item.fault, NotYetFault):
        return min(_LONGEST_DELAY_SECONDS, _NOT_YET_SECONDS * factor)
    if item.receive_count > _ROUNDS:
        return _rest(item.receive_count - _ROUNDS)
    longest = min(_LONGEST_DELAY_SECONDS, _FIRST_DELAY_SECONDS * factor)
    return random.randint(1, longest)  # noqa: S311 (jitter is no secret)


def _rest(rounds: int) -> int:
    """Wait longer with each round, so that SQS never takes for poison what waits for the end of an outage."""
    longest = min(_LONGEST_REST_SECONDS, _LONGEST_DELAY_SECONDS * rounds)
    return random.randint(longest // 2, longest)  # noqa: S311 (jitter is no secret)
