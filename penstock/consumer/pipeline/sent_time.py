"""The time of an intent whose envelope has none: when SQS first got its message.

A message keeps its `SentTimestamp` however often it is delivered. A dead letter is another message, sent later, as
is its replay. It keeps the first time in a message attribute, or an old intent would seem new after its replay.
"""

import re
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Final

from penstock.consumer.batch import Item
from penstock.queue import ATTRIBUTE_LIMIT, MESSAGE_LIMIT_BYTES, Attribute, Outgoing

SENT_ATTRIBUTE: Final = "penstock.sent"
"""The message attribute: milliseconds since 1970."""

_MILLISECONDS = re.compile("[0-9]{1,14}")
"""Up to the year 5138."""


def sent_at(item: Item) -> datetime | None:
    """Return when SQS first got the message; None if the record does not say."""
    given = item.record.get("messageAttributes")
    kept = given.get(SENT_ATTRIBUTE) if isinstance(given, dict) else None
    return _time(kept.get("stringValue") if isinstance(kept, dict) else None) or _time(
        item.system("SentTimestamp")
    )


def keep_time(item: Item, message: Outgoing) -> Outgoing:
    """Return the dead letter's message with the time of its intent, if that is the time of SQS and fits."""
    sent = sent_at(item)
    if item.envelope is None or sent is None or item.envelope.time != sent:
        return message
    kept = {SENT_ATTRIBUTE: Attribute(str(round(sent.timestamp() * 1000)))}
    dated = replace(message, attributes={**message.attributes, **kept})
    fits = len(dated.attributes) <= ATTRIBUTE_LIMIT and dated.size <= MESSAGE_LIMIT_BYTES
    return dated if fits else message


def _time(milliseconds: Any) -> datetime | None:
    if not isinstance(milliseconds, str) or not _MILLISECONDS.fullmatch(milliseconds):
        return None
    return datetime.fromtimestamp(int(milliseconds) / 1000, UTC)
