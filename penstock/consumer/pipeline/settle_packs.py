"""The step `settle packs`: what becomes of a message that holds many intents, after the commit.

A pack is acknowledged once each of its intents is written or on the dead-letter queue. If only some of them have
to wait, these are sent to the queue again, each in a message of its own with its delay. If all have to wait, or if
that fails, the whole pack goes back: the ledger knows those that are written.
"""

import logging
from collections.abc import Collection, Sequence

from penstock.consumer.batch import Batch, Item, Pack
from penstock.consumer.pipeline.dead_letters import outgoing_of
from penstock.consumer.pipeline.retry_delay import LONGEST_DELAY_SECONDS, delay_seconds
from penstock.diagnosis import frames_of, where
from penstock.queue import Outgoing, Queue

_logger = logging.getLogger(__name__)


def settle_packs(batch: Batch, queue: Queue) -> None:
    """Send again what has to wait, alone, where the rest of its pack is settled.

    Args:
        batch: the batch. What was sent is in `sent_again` afterwards.
        queue: its queue.
    """
    waiting = [item for pack in _divided(batch) for item in pack.items if item.message_id in batch.failed]
    if not waiting:
        return
    try:
        refused = queue.send([_message(item) for item in waiting], timeout_seconds=batch.seconds_left / 2)
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        named = {"action": "packs_not_divided", "frames": frames_of(error)}
        _logger.error("packs: %s", where(error), extra=named)
        return
    # If some of a pack were refused, the pack goes back, and those that were sent are delivered twice.
    refusing = {waiting[index].pack for index in refused}
    batch.sent_again.update(item for item in waiting if item.pack not in refusing)
    _log(len(batch.sent_again), {refusal.code for refusal in refused.values()})


def _log(sent: int, codes: Collection[str]) -> None:
    if sent:
        _logger.info("sent again, apart from their packs", extra={"action": "packs_divided", "intents": sent})
    if codes:
        named = {"action": "packs_not_divided"}
        _logger.warning("packs go back as a whole: %s", ", ".join(sorted(codes)), extra=named)


def _divided(batch: Batch) -> Sequence[Pack]:
    """Return the packs of which some intents are settled and others go back."""
    if batch.fault or not batch.failed:
        return []
    packs = dict.fromkeys(item.pack for item in batch.failed.values() if item.pack)
    return [pack for pack in packs if not _is_whole(batch, pack)]


def _is_whole(batch: Batch, pack: Pack) -> bool:
    # On a FIFO queue, a message that is sent again would come behind those of its group that were sent later.
    return pack.items[0].ordered_group is not None or all(item.message_id in batch.failed for item in pack.items)


def _message(item: Item) -> Outgoing:
    copy = outgoing_of(item)
    return Outgoing(
        copy.body, copy.attributes, copy.group, delay_seconds=min(LONGEST_DELAY_SECONDS, delay_seconds(item))
    )
