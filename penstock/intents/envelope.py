"""The envelope: an intent on the wire, one CloudEvents 1.0 event in structured JSON mode per message."""

from typing import Annotated, Any, Generic, Literal, TypeVar, cast
from uuid import UUID

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass

from penstock.intents.intent import KIND_LIMIT, KIND_PATTERN, WriteIntent, kind_of
from penstock.intents.utc_datetime import UtcDatetime

D = TypeVar("D")

CONFIG = ConfigDict(
    extra="forbid",
    strict=True,
    hide_input_in_errors=True,
    # NaN and infinity are written as such, which is not JSON: Postgres refuses it. A null would be stored.
    ser_json_inf_nan="constants",
)

Kind = Annotated[str, Field(pattern=f"^{KIND_PATTERN}$", max_length=KIND_LIMIT)]


# Pydantic decodes a dataclass with slots in three quarters of the time of a model.
@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
class Envelope(Generic[D]):
    """One CloudEvent carrying one intent (CloudEvents 1.0.2, JSON event format 1.0.2).

    Attributes:
        id: the intent's id.
        source: the service that emitted it, a URI reference.
        type: its kind.
        time: when the intent was created.
        dataversion: the version of the kind that `data` has.
        traceparent: the W3C trace context of the producer.
        expirytime: when it expires: it is not written after that (CloudEvents, "Expiry Time Extension").
        data: the intent.
    """

    specversion: Literal["1.0"]
    id: UUID
    source: Annotated[str, Field(min_length=1, max_length=1000)]
    type: Kind
    time: UtcDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataversion: int = 1
    traceparent: str | None = None
    subject: str | None = None
    dataschema: str | None = None
    expirytime: UtcDatetime | None = None
    data: D


class EnvelopeError(Exception):
    """A text is not an envelope of the contract. The message contains no value of the text.

    Attributes:
        reason: `not-json`, `not-an-envelope`, `sns-notification`, `eventbridge-event`, `unknown-kind`,
            `unknown-version`, `upgrade-failed` or `invalid-data`; or that of a `SealedError`
            (`penstock.intents.sealed`).
        fields: the invalid fields as dotted paths, each with the error type of the validator; or what to change.
        head: the envelope with unvalidated data, if the rest is valid; `type` is the current name of the kind.
    """

    def __init__(self, reason: str, fields: tuple[str, ...] = (), head: Envelope[Any] | None = None) -> None:
        super().__init__(reason, *fields)
        self.reason = reason
        self.fields = fields
        self.head = head


HEAD: TypeAdapter[Envelope[Any]] = TypeAdapter(Envelope[Any])
"""Decodes an envelope of any kind, without validating its data."""


def read_head(text: str) -> Envelope[Any] | None:
    """Decode an envelope of any kind without validating its data; None if it is not an envelope."""
    try:
        return HEAD.validate_json(text)
    except ValidationError:
        return None


def envelope_of(intent: type[WriteIntent]) -> type[Envelope[Any]]:
    """Make the class of a kind's envelopes, for its current name and version."""
    version = intent.intent_version
    annotations = {
        "type": Literal[kind_of(intent)],
        # Not a Literal: a Literal of 1 would also accept `true` and `1.0`.
        "dataversion": Annotated[int, Field(ge=version, le=version, json_schema_extra={"const": version})],
        "data": intent,
    }
    namespace: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__}
    if version == 1:  # An envelope without a version has version 1.
        namespace["dataversion"] = 1
    class_ = type(f"{intent.__name__}Envelope", (Envelope,), namespace)
    made: Any = dataclass(class_, config=CONFIG, frozen=True, slots=True, kw_only=True)
    return cast("type[Envelope[Any]]", made)
