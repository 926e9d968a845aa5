"""The step `dead-letter`: dead items go to the dead-letter queue with their faults, after the commit."""

import base64
import logging
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from penstock.consumer.batch import Batch, Item
from penstock.consumer.dead_letter import DeadLetter, log_letter, send_letters
from penstock.consumer.pipeline.tracing import traceparent_of
from penstock.consumer.sent_time import keep_time
from penstock.diagnosis import frames_of, where
from penstock.queue import Attribute, Outgoing, Queue, Refusal
from penstock.queue.message import DELAY_ATTRIBUTE

_logger = logging.getLogger(__name__)


def send_to_dlq(batch: Batch, dead: Sequence[Item], dead_letters: Queue) -> list[DeadLetter]:
    """Send dead items to the dead-letter queue. Items that cannot be sent go back to the main queue.

    Returns:
        The letters of those that were sent.
    """
    try:
        letters = [_letter(item, batch.function_version) for item in dead]
        messages = [_message(item, letter) for item, letter in zip(dead, letters, strict=True)]
        refused = send_letters(dead_letters, messages, batch.seconds_left / 2)
    except Exception as error:  # noqa: BLE001 (nothing raises after the commit)
        named = {"action": "dead_letters_failed", "frames": frames_of(error)}
        _logger.error("dead letters: %s", where(error), extra=named)
        batch.hand_back(dead)
        return []
    batch.hand_back(dead[index] for index in refused)
    for index, (item, letter) in enumerate(zip(dead, letters, strict=True)):
        _log(item, letter, refused.get(index))
    return [letter for index, letter in enumerate(letters) if index not in refused]


def _log(item: Item, letter: DeadLetter, refusal: Refusal | None) -> None:
    frames = item.fault.cause.frames if item.fault else ()
    more = {"frames": frames} if frames else {}
    log_letter(_logger, letter, refusal, traceparent=traceparent_of(item), **more)


def _letter(item: Item, function_version: str) -> DeadLetter:
    assert item.fault is not None  # noqa: S101 (a dead item has a fault)
    return DeadLetter.of(
        item.fault,
        kind=item.envelope.type if item.envelope else None,
        id=str(item.envelope.id) if item.envelope else None,
        receive_count=item.receive_count,
        first_seen=_first_seen(item),
        function_version=function_version,
    )


def _first_seen(item: Item) -> str | None:
    first = item.number("ApproximateFirstReceiveTimestamp")
    try:
        return datetime.fromtimestamp(first / 1000, UTC).isoformat() if first else None
    except (ValueError, OverflowError, OSError):
        return None


def _message(item: Item, letter: DeadLetter) -> Outgoing:
    """Copy the message, and add as much of the letter as fits."""
    return letter.stamp(outgoing_of(item))


def outgoing_of(item: Item) -> Outgoing:
    """Copy every part of an item's message that can be sent again, and keep the time of its intent."""
    message = Outgoing(
        item.record["body"],
        _attributes(item.record.get("messageAttributes")),
        group=item.system("MessageGroupId"),
        # Not the original one: SQS would drop a message that is replayed and dead-lettered again within minutes.
        deduplication_id=item.message_id if item.ordered_group else None,
    )
    return keep_time(item, message)


def _attributes(given: Any) -> dict[str, Attribute]:
    """Return the attributes that SQS accepts. One odd attribute must keep no letter back."""
    attributes = {}
    for name, value in given.items() if isinstance(given, dict) else ():
        try:
            attribute = _attribute(value)
            # Both can be encoded; and the delay is over.
            if name.encode() and attribute.size and name != DELAY_ATTRIBUTE:
                attributes[name] = attribute
        except (AttributeError, TypeError, ValueError) as error:
            named = {"action": "attribute_dropped"}
            _logger.warning("attribute of a dead letter dropped: %s", type(error).__name__, extra=named)
    return attributes


def _attribute(value: Mapping[str, Any]) -> Attribute:
    type_ = str(value.get("dataType") or "String")
    if value.get("binaryValue") is not None:
        return Attribute(base64.b64decode(value["binaryValue"]), type_)
    text = value.get("stringValue")
    if not isinstance(text, str) or not text:
        raise ValueError("SQS accepts no attribute without a value")
    return Attribute(text, type_)
