"""Intents, envelopes, ids and receipts."""

import json
import string
import time
import uuid
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from penstock import WriteIntent
from penstock.intents import (
    Contract,
    EnvelopeError,
    InvalidReceipt,
    UtcDatetime,
    derive_id,
    encode_envelope,
    kind_of,
    new_id,
    sign,
    verify,
)


class Noted(WriteIntent, kind="note.taken"):
    text: str
    number: float = 0.0
    extra: Any = None


class Other(WriteIntent, kind="other"):
    x: int


REQUIRED = ("specversion", "id", "source", "type", "time", "data")
CONTRACT = Contract([Noted, Other])


def _seal(intent: WriteIntent) -> str:
    return encode_envelope(intent, id=intent.intent_id, source="/test")


def test_an_intent_keeps_its_id_and_time() -> None:
    """The id and the time stay with the object; a copy is a new intent."""
    intent = Noted(text="a")
    assert (intent.intent_id, intent.intent_time) == (intent.intent_id, intent.intent_time)
    assert intent.model_copy().intent_id != intent.intent_id
    assert intent == Noted(text="a")


def test_an_intent_cannot_be_changed() -> None:
    """An intent is immutable."""
    with pytest.raises(ValidationError):
        Noted(text="a").text = "b"  # type: ignore[misc]


def test_an_intent_is_validated_strictly() -> None:
    """A value of another type is refused and not converted; an unknown field is refused too."""
    for fields in ({"text": 1}, {"text": "a", "number": "1"}, {"text": "a", "unknown": 1}):
        with pytest.raises(ValidationError):
            Noted(**fields)


@pytest.mark.parametrize("kind", ["", "Upper", "a b", "a..b", "select 1;", "a" * 101, ".a"])
def test_a_kind_must_be_lower_case_words(kind: str) -> None:
    """Any other kind is refused when the class is made."""
    with pytest.raises(TypeError, match="must be lower case words"):

        class Wrong(WriteIntent, kind=kind):
            pass


def test_a_class_without_a_kind_is_refused() -> None:
    """The error for a class without a kind shows how to declare one."""

    class Base(WriteIntent):
        x: int = 0

    with pytest.raises(TypeError, match=r'declare it as `class Base\(WriteIntent, kind="\.\.\."\)`'):
        kind_of(Base)


def test_the_names_of_an_intents_identity_are_reserved() -> None:
    """A field may not hide the intent's id."""
    shadows = pytest.warns(UserWarning, match="shadows an attribute")
    with shadows, pytest.raises(TypeError, match="may not be named intent_id"):

        class Wrong(WriteIntent, kind="wrong"):
            intent_id: int  # type: ignore[assignment]


def test_two_classes_may_not_share_a_kind() -> None:
    """A contract with two classes of one kind is refused."""

    class Twin(WriteIntent, kind="other"):
        y: int

    with pytest.raises(TypeError, match="Other and Twin share the kind 'other'"):
        Contract([Other, Twin])


def test_the_envelope_is_a_cloud_event() -> None:
    """On the wire an intent is the data of a CloudEvents 1.0 event."""
    intent = Noted(text="a")
    assert json.loads(_seal(intent)) == {
        "specversion": "1.0",
        "id": str(intent.intent_id),
        "source": "/test",
        "type": "note.taken",
        "time": intent.intent_time.isoformat(),
        "datacontenttype": "application/json",
        "dataversion": 1,
        "data": {"text": "a", "number": 0.0, "extra": None},
    }


storable_text = st.text(st.characters(exclude_characters="\x00", exclude_categories=["Cs"]))
finite = st.floats(allow_nan=False, allow_infinity=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63) | finite | storable_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(storable_text, inner, max_size=3),
    max_leaves=8,
)


@given(storable_text, finite, json_values)
def test_an_intent_survives_the_wire(text: str, number: float, extra: Any) -> None:
    """Every storable value is decoded unchanged; the message has only characters that SQS accepts."""
    intent = Noted(text=text, number=number, extra=extra)
    sealed = _seal(intent)
    envelope = CONTRACT.decode(sealed)
    assert envelope.data == intent
    assert (envelope.id, envelope.time) == (intent.intent_id, intent.intent_time)
    assert not set(sealed) & ({"\ufffe", "\uffff"} | {chr(n) for n in range(32)} - set("\t\r\n"))


@pytest.mark.parametrize(
    ("value", "field", "word"),
    [
        ("a\x00b", "extra", "nul_character"),
        ("\ud800", "extra", "lone_surrogate"),
        (float("nan"), "extra", "finite_number"),
        ({"deep": [1, float("inf")]}, "extra.deep.1", "finite_number"),
        ({"\x00": 1}, "extra.(key)", "nul_character"),
    ],
)
def test_an_unstorable_value_is_refused(value: Any, field: str, word: str) -> None:
    """A value that Postgres or JSON cannot store is refused; the error has the field but not the value."""
    with pytest.raises(ValidationError) as caught:
        _seal(Noted(text="secret", extra=value))
    assert [(".".join(map(str, e["loc"])), e["type"]) for e in caught.value.errors()] == [(field, word)]
    assert "secret" not in str(caught.value)


def test_an_intent_made_without_validation_is_refused() -> None:
    """The producer validates an intent that was constructed without validation."""
    with pytest.raises(ValidationError):
        _seal(Noted.model_construct(text=7))  # type: ignore[arg-type]


def test_storable_look_alikes_are_accepted() -> None:
    """Text that only looks like an unstorable value is unchanged."""
    intent = Noted(text="\\u0000 NaN Infinity")
    assert CONTRACT.decode(_seal(intent)).data == intent


def _changed(**changes: Any) -> str:
    return json.dumps(json.loads(_seal(Noted(text="a"))) | changes)


@pytest.mark.parametrize(
    ("text", "reason", "fields"),
    [
        ("{", "not-json", ()),
        (
            "{}",
            "not-an-envelope",
            tuple(f"{n} missing" for n in ("specversion", "id", "source", "type", "time", "data")),
        ),
        ("7", "not-an-envelope", ("dataclass_type",)),
        (_changed(specversion="2.0"), "not-an-envelope", ("specversion literal_error",)),
        (_changed(id=7), "not-an-envelope", ("id uuid_type",)),
        (_changed(id=""), "not-an-envelope", ("id uuid_parsing",)),
        (_changed(time="2026-11-20T10:00:00"), "not-an-envelope", ("time instant",)),
        (_changed(Surprise=1), "not-an-envelope", ("Surprise invalid_attribute_name",)),
        (_changed(type="no.such"), "unknown-kind", ()),
        (_changed(data={"text": "a", "<b>\n": 1}), "invalid-data", ("data.?b?? extra_forbidden",)),
        (_changed(data={"text": "a", "extra": "\x00"}), "invalid-data", ("data.extra nul_character",)),
    ],
)
def test_an_invalid_envelope_is_described(text: str, reason: str, fields: tuple[str, ...]) -> None:
    """The error of an invalid envelope has the reason and the fields."""
    with pytest.raises(EnvelopeError) as caught:
        CONTRACT.decode(text)
    assert (caught.value.reason, caught.value.fields) == (reason, fields)


@given(st.text() | json_values.map(json.dumps))
def test_any_other_text_raises_an_envelope_error(text: str) -> None:
    """Decoding raises no other exception, whatever the text."""
    with pytest.raises(EnvelopeError):
        CONTRACT.decode(text)


class Typed(WriteIntent, kind="typed"):
    type: str


def test_a_field_may_be_named_type() -> None:
    """A field may have the name of an envelope attribute."""
    intent = Typed(type="a")
    assert Contract([Typed]).decode(_seal(intent)).data == intent


def test_new_ids_are_version_7_and_sort_by_time() -> None:
    """New ids are distinct version 7 UUIDs with the current millisecond."""
    before = time.time_ns() // 1_000_000
    ids = [new_id() for _ in range(1000)]
    after = time.time_ns() // 1_000_000
    assert len(set(ids)) == 1000
    assert {(i.version, i.variant) for i in ids} == {(7, uuid.RFC_4122)}
    assert all(before <= i.int >> 80 <= after for i in ids)


def test_derived_ids_depend_on_each_of_their_parts() -> None:
    """Equal arguments give the same id; a different source, kind, tenant or key gives a different id."""
    parts: dict[str, Any] = {"source": "/a", "kind": "k", "tenant": None, "key": "x"}
    assert derive_id(**parts) == derive_id(**parts)
    others = [parts | change for change in ({"source": "/b"}, {"kind": "l"}, {"tenant": "t"}, {"key": "y"})]
    assert len({derive_id(**p) for p in [parts, *others]}) == 5
    assert derive_id(**parts).version == 5


@given(st.uuids(), st.text(min_size=1))
def test_a_receipt_is_verified_with_its_key(id_: uuid.UUID, key: str) -> None:
    """A receipt can be decoded with its key, and is always the same for an id and a key."""
    receipt = sign(id_, key)
    assert verify(str(receipt), key) == receipt == sign(id_, key)


@given(st.uuids(), st.integers(0, 42), st.sampled_from(string.ascii_letters + string.digits + "-_"))
def test_a_changed_receipt_is_invalid(id_: uuid.UUID, position: int, character: str) -> None:
    """A change of any single character makes a receipt invalid."""
    token = str(sign(id_, "key"))
    changed = token[:position] + character + token[position + 1 :]
    if changed != token:
        with pytest.raises(InvalidReceipt):
            verify(changed, "key")


@given(st.text())
def test_any_other_text_is_an_invalid_receipt(text: str) -> None:
    """Verifying raises no other exception, whatever the text."""
    with pytest.raises(InvalidReceipt):
        verify(text, "key")


def test_another_key_signs_another_receipt() -> None:
    """A receipt with the key of another service is invalid."""
    with pytest.raises(InvalidReceipt):
        verify(str(sign(new_id(), "theirs")), "ours")


class Timed(WriteIntent, kind="timed"):
    at: UtcDatetime


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2026-11-20T10:00:00Z", datetime(2026, 11, 20, 10, tzinfo=UTC)),
        ("2026-11-20 10:00:00.25-00:00", datetime(2026, 11, 20, 10, 0, 0, 250_000, tzinfo=UTC)),
        ("2026-11-20T10:00:00+23:59", datetime(2026, 11, 19, 10, 1, tzinfo=UTC)),
        ("9999-12-31T23:59:59Z", datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)),
    ],
)
def test_a_utc_datetime_is_converted_to_utc(text: str, expected: datetime) -> None:
    """A time may have any offset."""
    at = Timed.model_validate_json(json.dumps({"at": text})).at
    assert (at, at.utcoffset()) == (expected, timedelta(0))


@pytest.mark.parametrize(
    "value",
    [
        "2026-11-20T10:00:00",
        "2026-11-20",
        "1732000000",
        1_732_000_000,
        None,
        "0001-01-01T00:00:00+05:30",
        "0000-01-01T00:00:00Z",
        "2026-13-01T00:00:00Z",
        "2026-01-01T00:00:00Z\n",
        "",
    ],
)
def test_an_invalid_time_is_refused(value: Any) -> None:
    """A time without an offset, a number of seconds and a year outside 1 to 9999 are refused."""
    with pytest.raises(ValidationError) as caught:
        Timed.model_validate_json(json.dumps({"at": value}))
    assert [error["type"] for error in caught.value.errors()] == ["instant"]


def test_a_utc_datetime_in_python_is_a_datetime() -> None:
    """In Python the field accepts aware datetimes only."""
    east = timezone(timedelta(hours=5))
    assert Timed(at=datetime(2026, 11, 20, 15, tzinfo=east)).at == datetime(2026, 11, 20, 10, tzinfo=UTC)
    for wrong in (datetime(2026, 11, 20), "2026-11-20T10:00:00Z"):  # noqa: DTZ001
        with pytest.raises(ValidationError):
            Timed(at=wrong)  # type: ignore[arg-type]
