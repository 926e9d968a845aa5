"""Writing an intent as an envelope; `penstock.intents.envelope` says what one is, and reads it."""

import json
from hashlib import sha256
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from penstock.intents.intent import WriteIntent, kind_of
from penstock.intents.storable import json_of, unchanged

_DATA: Final = ', "data": '
"""What stands before the data; within a text its quotes would be escaped."""


def seal(intent: WriteIntent, *, id: UUID, source: str, traceparent: str | None = None) -> str:  # noqa: A002
    """Write an intent as the text of an envelope, validated as the consumer will validate it.

    Args:
        intent: what to write.
        id: the id that it takes effect under, once.
        source: who emits it, a URI reference.
        traceparent: the W3C trace context that it is emitted in.

    Raises:
        pydantic.ValidationError: a field's value is wrong or cannot be stored; no value is in its text.
        TypeError: the intent's class has no kind.
    """
    data = json_of(intent)
    if not unchanged(intent, type(intent).model_validate_json(data)):
        raise _changed_on_the_way(type(intent))
    head = {
        "specversion": "1.0",
        "id": str(id),
        "source": source,
        "type": kind_of(intent),
        "time": intent.intent_time.isoformat(),
        "datacontenttype": "application/json",
        "dataversion": intent.intent_version,
        **({"traceparent": traceparent} if traceparent else {}),
    }
    return f"{json.dumps(head)[:-1]}{_DATA}{data}}}"


def refer(envelope: str, dataref: str) -> str:
    """Write the text of the message that refers to an envelope; see `penstock.intents.reference`.

    Args:
        envelope: the envelope, as `seal` has written it.
        dataref: where it rests.
    """
    body = envelope.encode()
    rests = {"dataref": dataref, "datasize": len(body), "datadigest": digest_of(body)}
    return f"{envelope[: envelope.index(_DATA)]}, {json.dumps(rests)[1:]}"


def digest_of(body: bytes) -> str:
    """Return the digest of an envelope's bytes, as a reference says it."""
    return f"sha256:{sha256(body).hexdigest()}"


def _changed_on_the_way(intent: type[WriteIntent]) -> ValidationError:
    error = PydanticCustomError("changed_by_json", "The fields should come back from JSON as they are")
    errors = [InitErrorDetails(type=error, loc=(), input=None)]
    return ValidationError.from_exception_data(intent.__name__, errors, "json", hide_input=True)
