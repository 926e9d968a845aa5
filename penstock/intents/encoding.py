"""Encode an intent as an envelope. `penstock.intents.envelope` defines the envelope, `contract` decodes it."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from hashlib import sha256
from typing import Final
from uuid import UUID

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError

from penstock.intents.intent import WriteIntent, kind_of, oldest_name
from penstock.intents.sealed import Seal, binding
from penstock.intents.sensitive import sensitive_fields
from penstock.intents.storable import json_of, unchanged

_DATA: Final = ', "data": '
"""Separates the head from the data. It cannot occur inside a JSON string, which escapes its quotes."""


def encode_envelope(
    intent: WriteIntent,
    *,
    id: UUID,  # noqa: A002 (the name in the envelope)
    source: str,
    traceparent: str | None = None,
    expires_at: datetime | None = None,
    seal: Seal | None = None,
) -> str:
    """Encode an intent as the JSON text of an envelope. Validate it first, as the consumer will.

    Args:
        intent: the intent.
        id: the id under which it takes effect once.
        source: the service that emits it, a URI reference.
        traceparent: the W3C trace context in which it is emitted.
        seal: encrypts the values of `Sensitive` fields.
        expires_at: when it expires, with a time zone; None if it does not.

    Raises:
        pydantic.ValidationError: a field's value is wrong or cannot be stored. The error's text holds no value.
        TypeError: the intent's class has no kind; or it has `Sensitive` fields, and there is no `seal`.
    """
    data = encode_data(intent, id=id, seal=seal)
    head = {
        "specversion": "1.0",
        "id": str(id),
        "source": source,
        "type": kind_of(intent),
        "time": intent.intent_time.isoformat(),
        "datacontenttype": "application/json",
        "dataversion": intent.intent_version,
        **({"traceparent": traceparent} if traceparent else {}),
        **({"expirytime": expires_at.astimezone(UTC).isoformat()} if expires_at else {}),
    }
    return f"{json.dumps(head)[:-1]}{_DATA}{data}}}"


def encode_data(intent: WriteIntent, *, id: UUID, seal: Seal | None = None) -> str:  # noqa: A002 (as above)
    """Encode the data of an intent as JSON text. Validate it first, as the consumer will.

    Args:
        intent: the intent.
        id: the id under which it takes effect once.
        seal: encrypts the values of `Sensitive` fields.

    Raises:
        pydantic.ValidationError: as `encode_envelope`.
        TypeError: it has `Sensitive` fields, and there is no `seal`.
    """
    data = json_of(intent)
    # Not `model_validate_json`, which takes half as long again, for options that are not used here.
    if not unchanged(intent, type(intent).__pydantic_validator__.validate_json(data)):
        raise _changed_by_json(type(intent))
    names = sensitive_fields(type(intent))
    return _sealed(intent, names, id, seal) if names else data


def _sealed(intent: WriteIntent, names: Mapping[str, str], id_: UUID, seal: Seal | None) -> str:
    """Write the data of an intent with its `Sensitive` values encrypted."""
    if seal is None:
        raise TypeError(f"{type(intent).__name__} has Sensitive fields: emit it, or give `seal`")
    texts = {field: value.reveal() for field in names if (value := getattr(intent, field)) is not None}
    kind = oldest_name(intent)
    sealed = {names[field]: seal(text, binding(kind, names[field], id_)) for field, text in texts.items()}
    rest = json_of(intent, exclude=texts.keys())
    separator = ", " if len(rest) > len("{}") and sealed else ""
    return f"{rest[:-1]}{separator}{json.dumps(sealed)[1:]}"


def encode_reference(envelope: str, dataref: str) -> str:
    """Encode the message that refers to an envelope in a bucket; see `penstock.intents.reference`.

    Args:
        envelope: the envelope, as `encode_envelope` returned it.
        dataref: the location of the envelope.
    """
    body = envelope.encode()
    reference = {"dataref": dataref, "datasize": len(body), "datadigest": digest_of(body)}
    return f"{envelope[: envelope.index(_DATA)]}, {json.dumps(reference)[1:]}"


def digest_of(body: bytes) -> str:
    """Return the SHA-256 of an envelope's bytes, in the form of a reference."""
    return f"sha256:{sha256(body).hexdigest()}"


def _changed_by_json(intent: type[WriteIntent]) -> ValidationError:
    error = PydanticCustomError("changed_by_json", "The fields should come back from JSON as they are")
    errors = [InitErrorDetails(type=error, loc=(), input=None)]
    return ValidationError.from_exception_data(intent.__name__, errors, "json", hide_input=True)
