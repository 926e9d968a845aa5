"""The step `dead-letter`: dead items go to the dead-letter queue with their faults, after the commit."""

import base64
import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from penstock.consumer.batch import Batch, Item
from penstock.consumer.dead_letter import DeadLetter
from penstock.consumer.pipeline.sent_time import keep_time
from penstock.consumer.pipeline.tracing import traceparent_of
from penstock.queue import Attribute, Outgoing, Queue, Refusal

_logger = logging.getLogger(__name__)


def send_to_dlq(batch: Batch, dead_letters: Queue) -> None:
    """Send every dead item to the dead-letter queue. Items that cannot be sent go back to the main queue."""
    dead = [item for item in batch.items if item.is_dead]
    try:
        letters = [_letter(item, batch.function_version) for item in dead]
        messages = [_message(item, letter) for item, letter in zip(dead, letters, strict=True)]
        refused = dead_letters.send(messages, timeout_seconds=batch.seconds_left / 2)
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        _logger.error("dead letters: %s", type(error).__name__, extra={"action": "dead_letters_failed"})
        batch.hand_back(dead)
        return
    for index, (item, letter) in enumerate(zip(dead, letters, strict=True)):
        _log(item, letter, refused.get(index))
    batch.hand_back(dead[index] for index in refused)


def _log(item: Item, letter: DeadLetter, refusal: Refusal | None) -> None:
    if refusal:
        _logger.error("dead letter refused: %s", refusal.code, extra={"action": "dead_letter_refused"})
    else:
        named = {"intent_id": letter.id, "kind": letter.kind, "fault": letter.detail}
        named |= {"fingerprint": letter.fingerprint, "traceparent": traceparent_of(item)}
        _logger.warning("dead letter: %s", letter.detail, extra={"action": "dead_letter", **named})


def _letter(item: Item, function_version: str) -> DeadLetter:
    assert item.fault is not None  # noqa: S101 (a dead item has a fault)
    first = item.system("ApproximateFirstReceiveTimestamp")
    return DeadLetter.of(
        item.fault,
        kind=item.envelope.type if item.envelope else None,
        id=str(item.envelope.id) if item.envelope else None,
        receive_count=item.receive_count,
        first_seen=datetime.fromtimestamp(int(first) / 1000, UTC).isoformat() if first else None,
        function_version=function_version,
    )


def _message(item: Item, letter: DeadLetter) -> Outgoing:
    """Copy every part of the message that can be sent again, and add as much of the letter as fits."""
    given = item.record.get("messageAttributes") or {}
    attributes = {name: _attribute(value) for name, value in given.items()}
    message = Outgoing(
        item.record["body"],
        attributes,
        group=item.system("MessageGroupId"),
        # Not the original one: SQS would drop a message that is replayed and dead-lettered again within minutes.
        deduplication_id=item.message_id if item.ordered_group else None,
    )
    return letter.stamp(keep_time(item, message))


def _attribute(value: Mapping[str, Any]) -> Attribute:
    type_ = value.get("dataType") or "String"
    if value.get("binaryValue") is not None:
        return Attribute(base64.b64decode(value["binaryValue"]), type_)
    return Attribute(value.get("stringValue") or "", type_)
