"""The envelope: an intent on the wire, one CloudEvents 1.0 event in structured JSON mode per message.

A `Contract` reads envelopes of the kinds that it knows. Each kind's whole envelope is one Pydantic model, told
apart by `type`, so that a message is parsed and validated in one pass over its text.
"""

import json
from collections.abc import Iterable
from typing import Annotated, Any, Generic, Literal, TypeVar, cast
from uuid import UUID

from pydantic import (
    ConfigDict,
    Field,
    TypeAdapter,
    ValidationError,
)
from pydantic.dataclasses import dataclass
from pydantic_core import InitErrorDetails, PydanticCustomError

from penstock.intents.instant import Instant
from penstock.intents.intent import KIND_LIMIT, KIND_PATTERN, WriteIntent, kind_of
from penstock.intents.storable import json_of, overflowed, refuse_unstorable, suspect, unchanged

D = TypeVar("D")

_CONFIG = ConfigDict(
    extra="forbid",
    strict=True,
    hide_input_in_errors=True,
    # A value that is no JSON is written as no JSON: Postgres refuses what slipped through, null would land.
    ser_json_inf_nan="constants",
)


Kind = Annotated[str, Field(pattern=f"^{KIND_PATTERN}$", max_length=KIND_LIMIT)]


# A dataclass with slots is read from JSON in three quarters of the time that a model takes.
@dataclass(config=_CONFIG, frozen=True, slots=True, kw_only=True)
class Envelope(Generic[D]):
    """One CloudEvent carrying one intent (CloudEvents 1.0.2, JSON event format 1.0.2).

    Attributes:
        id: the intent's id.
        source: who emitted it, a URI reference.
        type: its kind.
        time: when it was stated.
        dataversion: which version of the kind `data` is of.
        traceparent: the W3C trace context that it was emitted in.
        data: the intent.
    """

    specversion: Literal["1.0"]
    id: UUID
    source: Annotated[str, Field(min_length=1, max_length=1000)]
    type: Kind
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    dataversion: int = 1
    traceparent: str | None = None
    subject: str | None = None
    dataschema: str | None = None
    data: D


def seal(intent: WriteIntent, *, id: UUID, source: str) -> str:  # noqa: A002
    """Write an intent as the text of an envelope, validated as the consumer will validate it.

    Args:
        intent: what to write.
        id: the id that it takes effect under, once.
        source: who emits it, a URI reference.

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
        "dataversion": _VERSION,
    }
    return f'{json.dumps(head)[:-1]}, "data": {data}}}'


def _changed_on_the_way(intent: type[WriteIntent]) -> ValidationError:
    error = PydanticCustomError("changed_by_json", "The fields should come back from JSON as they are")
    errors = [InitErrorDetails(type=error, loc=(), input=None)]
    return ValidationError.from_exception_data(intent.__name__, errors, "json", hide_input=True)


class EnvelopeError(Exception):
    """A text is no envelope that the contract can take; no value of it is in the message.

    Attributes:
        reason: `not-json`, `not-an-envelope`, `unknown-kind`, `unknown-version` or `invalid-data`.
        fields: the wrong fields as dotted paths, each with the validator's word for what is wrong.
        head: the envelope with its data unread, where that much of it is right.
    """

    def __init__(self, reason: str, fields: tuple[str, ...] = (), head: Envelope[Any] | None = None) -> None:
        super().__init__(reason, *fields)
        self.reason = reason
        self.fields = fields
        self.head = head


class Contract:
    """The kinds that one side reads."""

    def __init__(self, intents: Iterable[type[WriteIntent]]) -> None:
        """Take the classes of intents.

        Raises:
            TypeError: there are none, one has no kind, or two share one.
        """
        self._kinds: dict[str, type[WriteIntent]] = {}
        for intent in intents:
            other = self._kinds.setdefault(kind_of(intent), intent)
            if other is not intent:
                raise TypeError(f"{other.__name__} and {intent.__name__} share the kind {kind_of(intent)!r}")
        if not self._kinds:
            raise TypeError("a contract needs at least one kind")
        adapter = _adapter([_envelope_of(intent) for intent in self._kinds.values()])
        self._read = adapter.validator.validate_json

    def decode(self, text: str) -> Envelope[WriteIntent]:
        """Parse and validate the text of one envelope.

        Raises:
            EnvelopeError: it is not JSON, not an envelope, of an unknown kind or version, or has invalid data.
        """
        try:
            envelope: Envelope[WriteIntent] = self._read(text)
            if suspect(text) or overflowed(envelope.data):
                refuse_unstorable(envelope)
        except ValidationError as error:
            raise self._diagnose(text, error) from None
        if envelope.dataversion != _VERSION:
            raise EnvelopeError("unknown-version", head=envelope)
        return envelope

    def _diagnose(self, text: str, error: ValidationError) -> EnvelopeError:
        """Say what is wrong, from the outside in."""
        try:
            head = _HEAD.validate_json(text)
        except ValidationError as outer:
            is_json = outer.errors()[0]["type"] != "json_invalid"
            return EnvelopeError("not-an-envelope", _named(outer)) if is_json else EnvelopeError("not-json")
        if head.type not in self._kinds:
            return EnvelopeError("unknown-kind", head=head)
        if head.dataversion != _VERSION:
            return EnvelopeError("unknown-version", head=head)
        # The union puts the kind before the path; the reader knows it already.
        return EnvelopeError("invalid-data", _named(error, skip=head.type), head)


_VERSION = 1
_HEAD: TypeAdapter[Envelope[Any]] = TypeAdapter(Envelope[Any])


def _envelope_of(intent: type[WriteIntent]) -> type[Envelope[Any]]:
    fields = {"type": Literal[kind_of(intent)], "data": intent}
    class_ = type(f"{intent.__name__}Envelope", (Envelope,), {"__annotations__": fields, "__module__": __name__})
    made: Any = dataclass(class_, config=_CONFIG, frozen=True, slots=True, kw_only=True)
    return cast("type[Envelope[Any]]", made)


def _adapter(envelopes: list[type[Envelope[Any]]]) -> TypeAdapter[Envelope[Any]]:
    union: Any = envelopes[0]
    for envelope in envelopes[1:]:
        union |= envelope
    if len(envelopes) > 1:
        union = Annotated[union, Field(discriminator="type")]
    return TypeAdapter(union)


_FIELD_LIMIT = 10
_PART_LIMIT = 64


def _named(error: ValidationError, skip: str = "") -> tuple[str, ...]:
    """Name the wrong fields; a name that a sender made up is cut down to harmless characters."""
    faults = []
    for fault in error.errors(include_input=False, include_url=False)[:_FIELD_LIMIT]:
        parts = fault["loc"][1:] if fault["loc"][:1] == (skip,) else fault["loc"]
        path = ".".join(_harmless(str(part)) for part in parts)
        faults.append(f"{path} {fault['type']}".strip())
    return tuple(faults)


def _harmless(part: str) -> str:
    return "".join(c if c.isascii() and (c.isalnum() or c in "_-()") else "?" for c in part[:_PART_LIMIT])
