"""Events of other senders: CloudEvents that are not written as Penstock writes them.

A valid event of another sender is rewritten to the form that the models of the envelopes accept: without
attributes that are null or unknown, with a JSON media type, an id that is a UUID, and a time. Its data is not
changed: every number keeps its digits. docs/outside-python.md describes the rules to senders.
"""

import re
import sys
from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from pydantic_core import to_json

from penstock.expressions.exact_json import ExactJsonError, read, write
from penstock.intents.exact_numbers import MAYBE_INEXACT
from penstock.intents.fault_paths import FIELD_LIMIT, escaped
from penstock.intents.ids import event_id

_REQUIRED: Final = frozenset({"specversion", "id", "source", "type"})
_OPTIONAL: Final = frozenset(
    {"time", "datacontenttype", "dataversion", "traceparent", "subject", "dataschema", "expirytime"}
)
_KNOWN: Final = _REQUIRED | _OPTIONAL | {"data"}

RESERVED: Final = frozenset({"dataref", "datasize", "datadigest", "datacontentencoding"})
"""Extension attributes that say where or how the data is: to ignore one would change what the event means."""

_BINARY: Final = "data_base64"
_NAME = re.compile("[a-z0-9]+")
"""The name of an attribute (CloudEvents, "Naming conventions")."""
_JSON_TYPE = re.compile(r"\s*[^\s/;]+/(?:[^\s/;]+\+)?json\s*(?:;.*)?", re.IGNORECASE | re.DOTALL)
"""A media type of JSON, with any parameters (CloudEvents, JSON event format, section 3.1)."""


class ForeignEventError(Exception):
    """A text is no event that can be read. The message contains no value of the text.

    Attributes:
        reason: `not-json`, `not-an-envelope`, `sns-notification` or `eventbridge-event`.
        fields: the wrong attributes, each with the error, or what to change.
    """

    def __init__(self, reason: str, *fields: str) -> None:
        super().__init__(reason, *fields)
        self.reason = reason
        self.fields = fields


def native_text(text: str, sent_at: datetime | None) -> str | None:
    """Rewrite an event of another sender to the form that Penstock writes.

    Args:
        text: the text of a message.
        sent_at: when the queue got the message: the time of an event that has none.

    Returns:
        The new text; None if there is nothing to rewrite.

    Raises:
        ForeignEventError: an attribute of the event is refused, or the event is wrapped in one of another service.
    """
    try:
        event = read(text)
    except ExactJsonError:  # NaN, which Pydantic accepts.
        raise ForeignEventError("not-json") from None
    if not isinstance(event, dict):
        return None
    _refuse_wrapped(event)
    refused = list(_refused(event))
    if refused:
        raise ForeignEventError("not-an-envelope", *refused[:FIELD_LIMIT])
    native = _native(event, sent_at)
    if native == event:
        return None
    # `to_json` is many times as fast, but writes a number as the double that holds it.
    return write(native, sys.maxsize) if MAYBE_INEXACT.search(text) else to_json(native).decode()


def _refuse_wrapped(event: dict[str, Any]) -> None:
    """Refuse the envelopes of Amazon SNS and Amazon EventBridge, and say which setting leaves them out."""
    if "specversion" in event:
        return
    if {"Type", "TopicArn", "MessageId"} <= event.keys():
        raise ForeignEventError(
            "sns-notification", "turn on raw message delivery (RawMessageDelivery) of the SNS subscription"
        )
    if {"detail-type", "detail", "source"} <= event.keys():
        raise ForeignEventError(
            "eventbridge-event", "set InputPath of the EventBridge target to $.detail or use an input transformer"
        )


def _refused(event: dict[str, Any]) -> Iterator[str]:
    """Name the attributes that may not be ignored, or that the sender has misspelt."""
    for name, value in event.items():
        if name in _KNOWN or (name == _BINARY and value is None):
            continue
        if name == _BINARY:
            yield f"{_BINARY} not_supported_send_json_in_data"
        elif not _NAME.fullmatch(name):
            yield f"{escaped(name)} invalid_attribute_name"
        elif name in RESERVED and value is not None:
            yield f"{name} reserved"
    media_type = event.get("datacontenttype")
    if isinstance(media_type, str) and not _JSON_TYPE.fullmatch(media_type):
        yield "datacontenttype not_json"


def _native(event: dict[str, Any], sent_at: datetime | None) -> dict[str, Any]:
    # In the JSON format a null attribute is an attribute that is not there. `data` may be null.
    present = (name for name, value in event.items() if value is not None or name == "data")
    native = {name: event[name] for name in present if name in _KNOWN}
    if isinstance(native.get("datacontenttype"), str):
        native["datacontenttype"] = "application/json"
    id_, source = native.get("id"), native.get("source")
    if isinstance(id_, str) and id_:
        # Without a source the event is refused for that alone.
        native["id"] = str(event_id(source if isinstance(source, str) else "", id_))
    if "time" not in native and sent_at is not None:
        native["time"] = sent_at.isoformat()
    return native
