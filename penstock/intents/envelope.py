"""The envelope: an intent on the wire, one CloudEvents 1.0 event in structured JSON mode per message.

A `Contract` reads envelopes of the kinds that it knows. Each kind's whole envelope is one Pydantic model, told
apart by `type`, so that a message is parsed and validated in one pass over its text. That model takes the kind's
present name and version alone: what is older is looked at again, upgraded and validated in a second pass.
"""

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Annotated, Any, Generic, Literal, TypeVar, cast
from uuid import UUID

from pydantic import ConfigDict, Field, TypeAdapter, ValidationError
from pydantic.dataclasses import dataclass
from pydantic_core import to_json

from penstock.intents.intent import KIND_LIMIT, KIND_PATTERN, WriteIntent, kind_of
from penstock.intents.storable import overflowed, refuse_unstorable, suspect
from penstock.intents.upgrades import UpgradeError, check_upgraders, upgraded
from penstock.intents.utc_datetime import UtcDatetime

D = TypeVar("D")

CONFIG = ConfigDict(
    extra="forbid",
    strict=True,
    hide_input_in_errors=True,
    # A value that is no JSON is written as no JSON: Postgres refuses what slipped through, null would land.
    ser_json_inf_nan="constants",
)


Kind = Annotated[str, Field(pattern=f"^{KIND_PATTERN}$", max_length=KIND_LIMIT)]


# A dataclass with slots is read from JSON in three quarters of the time that a model takes.
@dataclass(config=CONFIG, frozen=True, slots=True, kw_only=True)
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
    time: UtcDatetime
    datacontenttype: Literal["application/json"] = "application/json"
    dataversion: int = 1
    traceparent: str | None = None
    subject: str | None = None
    dataschema: str | None = None
    data: D


class EnvelopeError(Exception):
    """A text is no envelope that the contract can take; no value of it is in the message.

    Attributes:
        reason: `not-json`, `not-an-envelope`, `unknown-kind`, `unknown-version`, `upgrade-failed` or
            `invalid-data`.
        fields: the wrong fields as dotted paths, each with the validator's word for what is wrong.
        head: the envelope with its data unread, where that much of it is right; under the kind's present name.
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
            TypeError: there are none, one has no kind or a gap in its chain of upgraders, or two share a name.
        """
        kinds: dict[str, type[WriteIntent]] = {}
        self._names: dict[str, type[WriteIntent]] = {}
        for intent in intents:
            kinds[kind_of(intent)] = intent
            for name in (kind_of(intent), *intent.intent_aliases):
                other = self._names.setdefault(name, intent)
                if other is not intent:
                    raise TypeError(f"{other.__name__} and {intent.__name__} share the kind {name!r}")
            check_upgraders(intent)
        if not kinds:
            raise TypeError("a contract needs at least one kind")
        self._read = _adapter([envelope_of(intent) for intent in kinds.values()]).validator.validate_json

    def decode(self, text: str) -> Envelope[WriteIntent]:
        """Parse and validate the text of one envelope; what is of an old name or version becomes the present one.

        Raises:
            EnvelopeError: it is not JSON, not an envelope, of an unknown kind or version, or has invalid data.
        """
        try:
            envelope: Envelope[WriteIntent] = self._read(text)
            if suspect(text) or overflowed(envelope.data):
                refuse_unstorable(envelope)
        except Exception as error:  # noqa: BLE001 (a validator that knows no older data may raise anything)
            return self._decode_older(text, error)
        return envelope

    def present(self, kind: str) -> str:
        """Return the present name of a kind; one that is not known stays as it is."""
        intent = self._names.get(kind)
        return kind_of(intent) if intent else kind

    def _decode_older(self, text: str, error: Exception) -> Envelope[WriteIntent]:
        """Read what the present version does not take: upgrade it, or say what is wrong, from the outside in."""
        head = _head(text)
        intent = self._names.get(head.type)
        if intent is None:
            raise EnvelopeError("unknown-kind", head=head) from None
        kind, version, was = kind_of(intent), intent.intent_version, (head.type, head.dataversion)
        head = replace(head, type=kind)
        if was == (kind, version):
            raise (_invalid(kind, error, head) if isinstance(error, ValidationError) else error) from None
        if not 1 <= head.dataversion <= version:
            raise EnvelopeError("unknown-version", head=head) from None
        try:
            data = upgraded(intent, head.data, head.dataversion)
            present = _text_of(replace(head, dataversion=version, data=data))
        except UpgradeError as failed:
            raise EnvelopeError(failed.reason, failed.fields, head) from None
        except Exception as failed:  # noqa: BLE001 (what an upgrader returned may be anything)
            raise EnvelopeError("upgrade-failed", (f"data {type(failed).__name__}",), head) from None
        try:
            envelope: Envelope[WriteIntent] = self._read(present)
            if suspect(present) or overflowed(envelope.data):
                refuse_unstorable(envelope)
        except ValidationError as invalid:
            raise _invalid(kind, invalid, head) from None
        return envelope


def _head(text: str) -> Envelope[Any]:
    """Read an envelope with its data unread.

    Raises:
        EnvelopeError: it is not JSON, or not an envelope.
    """
    try:
        return _HEAD.validate_json(text)
    except ValidationError as outer:
        is_json = outer.errors()[0]["type"] != "json_invalid"
        raise (EnvelopeError("not-an-envelope", _named(outer)) if is_json else EnvelopeError("not-json")) from None


def _text_of(envelope: Envelope[Any]) -> str:
    values = {field.name: getattr(envelope, field.name) for field in fields(envelope)}
    return to_json(values, inf_nan_mode="constants").decode()


def _invalid(kind: str, error: ValidationError, head: Envelope[Any]) -> EnvelopeError:
    # The union puts the kind before the path; the reader knows it already.
    return EnvelopeError("invalid-data", _named(error, skip=kind), head)


_HEAD: TypeAdapter[Envelope[Any]] = TypeAdapter(Envelope[Any])


def envelope_of(intent: type[WriteIntent]) -> type[Envelope[Any]]:
    """Make the class of a kind's envelopes, under its present name and of its present version."""
    version = intent.intent_version
    annotations = {
        "type": Literal[kind_of(intent)],
        # No Literal: of a number it would take `true` and `1.0` for 1.
        "dataversion": Annotated[int, Field(ge=version, le=version, json_schema_extra={"const": version})],
        "data": intent,
    }
    namespace: dict[str, Any] = {"__annotations__": annotations, "__module__": __name__}
    if version == 1:  # What says nothing of its version is of the first.
        namespace["dataversion"] = 1
    class_ = type(f"{intent.__name__}Envelope", (Envelope,), namespace)
    made: Any = dataclass(class_, config=CONFIG, frozen=True, slots=True, kw_only=True)
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
