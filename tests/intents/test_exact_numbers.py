"""Numbers of a JSON text: every digit is kept, or the text is refused."""

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from penstock import WriteIntent
from penstock.intents import Contract, EnvelopeError, encode_envelope, new_id
from penstock.intents.exact_numbers import has_inexact, may_be_inexact, read_exactly
from tests.support.numbers import literals

LONG = "12345678901234567.89"


class Line(BaseModel):
    model_config = ConfigDict(strict=True)
    price: Decimal
    weight: float = 0.0


class Priced(WriteIntent, kind="thing.priced"):
    amount: Decimal = Decimal(0)
    named: Decimal = Field(Decimal(0), alias="theName")
    weight: float = 0.0
    count: int = 0
    notes: dict[str, Any] = Field(default_factory=dict)
    prices: list[Decimal] = Field(default_factory=list)
    line: Line | None = None
    either: Decimal | float | None = None


CONTRACT = Contract([Priced])
LITERALS = literals(30)
TIES = st.integers(4 * 10**14, 4 * 10**15).map(lambda quarters: f"{Decimal(quarters) / 4:.1f}")
"""Numbers of 16 digits; many are as near to their double as another one of 16 digits is."""


def envelope(data: str) -> str:
    text = encode_envelope(Priced(), id=new_id(), source="/test")
    return text.replace(json.dumps(json.loads(text)["data"], separators=(",", ":")), data)


@given(literal=LITERALS | TIES)
@example(literal="563000000000000.2")
@example(literal="563000000000000.3")
def test_a_decimal_keeps_every_digit(literal: str) -> None:
    """Whatever number is written for a Decimal, in an envelope or alone, its value is that of the text."""
    decoded = CONTRACT.decode(envelope(f'{{"amount": {literal}}}')).data
    alone = read_exactly(Priced.model_validate_json, f'{{"amount":{literal}}}', Priced)
    assert isinstance(decoded, Priced)
    assert decoded.amount == alone.amount == Decimal(literal)


@given(literal=TIES)
@example(literal="563000000000000.2")
def test_a_double_is_not_refused_for_a_decimal(literal: str) -> None:
    """A number that a double keeps is read where a Decimal could be meant, and beside one in the same field."""
    if Decimal(repr(float(literal))) != Decimal(literal):
        return
    text = f'{{"either": {literal}, "weight": {literal}, "line": {{"price": {literal}, "weight": {literal}}}}}'
    read = read_exactly(Priced.model_validate_json, text, Priced)
    assert read.line is not None
    assert Decimal(str(read.either)) == read.line.price == Decimal(literal)
    assert read.weight == read.line.weight == float(literal)


@given(literal=LITERALS | TIES)
def test_a_number_of_any_type_is_kept_or_refused(literal: str) -> None:
    """A number in a dict is the number of the text, or the field is named as refused."""
    text = f'{{"notes": {{"x": [{literal}]}}}}'
    is_whole = literal.removeprefix("-").isdigit()  # JSON parsers read whole numbers of any length exactly.
    if is_whole or Decimal(repr(float(literal))) == Decimal(literal):
        (number,) = read_exactly(Priced.model_validate_json, text, Priced).notes["x"]
        assert Decimal(repr(number)) == Decimal(literal)
    else:
        with pytest.raises(ValidationError) as caught:
            read_exactly(Priced.model_validate_json, text, Priced)
        assert [(one["loc"], one["type"]) for one in caught.value.errors()] == [(("notes",), "inexact_number")]


@pytest.mark.parametrize(
    ("data", "field", "expected"),
    [
        (f'{{"theName": {LONG}}}', "named", Decimal(LONG)),
        (f'{{"theN\\u0061me": {LONG}}}', "named", Decimal(LONG)),
        (f'{{"amount" \n\t:\r\n {LONG}}}', "amount", Decimal(LONG)),
        (f'{{"amount": "1.5", "amount": {LONG}}}', "amount", Decimal(LONG)),
        (f'{{"prices": ["1.5", {LONG}]}}', "prices", [Decimal("1.5"), Decimal(LONG)]),
        (f'{{"prices": [1.5, {LONG}]}}', "prices", [Decimal("1.5"), Decimal(LONG)]),
        (
            f'{{"prices": [563000000000000.2, {LONG}]}}',
            "prices",
            [Decimal("563000000000000.2"), Decimal(LONG)],
        ),
        (f'{{"line": {{"price": {LONG}}}}}', "line", Line(price=Decimal(LONG))),
        (f'{{"amount": "{LONG}"}}', "amount", Decimal(LONG)),
        (
            f'{{"prices": [{", ".join(["563000000000000.2"] * 20)}]}}',
            "prices",
            [Decimal("563000000000000.2")] * 20,
        ),
        ('{"weight": 0.12345678901234567891}', "weight", 0.12345678901234567891),
        ('{"notes": {"x": 12345678901234567890}}', "notes", {"x": 12345678901234567890}),
        ('{"notes": {"x": 1e2, "y": 0.1}}', "notes", {"x": 100.0, "y": 0.1}),
    ],
)
def test_a_number_is_kept_where_it_is(data: str, field: str, expected: Any) -> None:
    """A number is kept under an alias, in a list and in a nested model; a float is rounded as a double is."""
    decoded = CONTRACT.decode(envelope(data)).data
    assert getattr(decoded, field) == expected


@pytest.mark.parametrize(
    ("data", "field"),
    [
        (f'{{"notes": {{"x": {LONG}}}}}', "data.notes"),
        (f'{{"either": {LONG}}}', "data.either"),
        (f'{{"line": {{"price": {LONG}, "weight": {LONG}}}}}', "data.line"),
        (f'{{"prices": [{", ".join(["563000000000000.2"] * 21)}]}}', "data.prices"),
    ],
)
def test_a_number_that_cannot_be_kept_is_refused(data: str, field: str) -> None:
    """In a field of any type, beside an inexact float, or among many, a number is refused and its field named."""
    with pytest.raises(EnvelopeError) as caught:
        CONTRACT.decode(envelope(data))
    assert (caught.value.reason, caught.value.fields) == ("invalid-data", (f"{field} inexact_number",))


class Node(BaseModel):
    model_config = ConfigDict(strict=True)
    value: Decimal
    next: "Node | None" = None


class Chained(WriteIntent, kind="thing.chained"):
    first: Node


def test_a_recursive_model_is_looked_through() -> None:
    """A number in a model that refers to itself is kept at any depth."""
    text = f'{{"first": {{"value": 1, "next": {{"value": {LONG}}}}}}}'
    kept = read_exactly(Chained.model_validate_json, text, Chained)
    assert kept.first.next == Node(value=Decimal(LONG))


class Old(WriteIntent, kind="thing.upgraded", version=2):
    amount: Decimal


@Old.upgrader(1)
def _from_first(data: dict[str, Any]) -> dict[str, Any]:
    return {"amount": data["price"]}


def test_an_older_version_with_an_inexact_number_is_refused() -> None:
    """An upgrader would get the number as a double, so the message is refused instead."""
    contract = Contract([Old])
    head = json.loads(encode_envelope(Old(amount=Decimal(1)), id=new_id(), source="/test"))
    texts = [
        json.dumps(head | {"dataversion": 1, "data": "DATA"}).replace('"DATA"', data)
        for data in (f'{{"price": {LONG}}}', '{"price": "1.5"}')
    ]
    with pytest.raises(EnvelopeError) as caught:
        contract.decode(texts[0])
    assert (caught.value.reason, caught.value.fields) == ("invalid-data", ("data inexact_number",))
    assert contract.decode(texts[1]).data == Old(amount=Decimal("1.5"))


def test_an_older_version_with_nan_is_refused() -> None:
    """NaN beside an inexact number of an older version hides nothing: the message is refused."""
    head = json.loads(encode_envelope(Old(amount=Decimal(1)), id=new_id(), source="/test"))
    text = json.dumps(head | {"dataversion": 1, "data": "DATA"}).replace(
        '"DATA"', f'{{"price": {LONG}, "x": NaN}}'
    )
    with pytest.raises(EnvelopeError) as caught:
        Contract([Old]).decode(text)
    assert caught.value.fields == ("data inexact_number",)


@pytest.mark.parametrize("value", [Decimal(LONG), Decimal("1e-400"), Decimal("0.10")])
def test_a_producer_writes_every_digit(value: Decimal) -> None:
    """A Decimal is text on the wire; a Decimal in a field of any type would come back as text, and is refused."""
    decoded = CONTRACT.decode(encode_envelope(Priced(amount=value), id=new_id(), source="/test")).data
    assert isinstance(decoded, Priced)
    assert str(decoded.amount) == str(value)
    with pytest.raises(ValidationError) as caught:
        encode_envelope(Priced(notes={"x": value}), id=new_id(), source="/test")
    assert [error["type"] for error in caught.value.errors()] == ["changed_by_json"]


class Odd(WriteIntent, kind="thing.odd"):
    price: Decimal | None = None
    weight: float = 0.0
    note: str = ""


class Escaped(WriteIntent, kind="thing.escaped"):
    slash: Decimal = Field(Decimal(0), alias="a/b")
    line: Decimal = Field(Decimal(0), alias="c\nd")


class Measured(WriteIntent, kind="thing.measured"):
    values: dict[str, Any]


@given(LITERALS)
def test_a_double_that_keeps_its_number_is_no_cause_for_doubt(literal: str) -> None:
    """In values of any type, a text is doubted if and only if a double changes one of its numbers."""
    text = f'{{"values":{{"a":{literal},"b":[1.5,{literal}]}}}}'
    assert may_be_inexact(text, Measured) == has_inexact(text)


@pytest.mark.parametrize(
    ("intent", "text", "doubtful"),
    [
        (Odd, f'{{"price":null,"weight":{LONG}}}', False),
        (Odd, f'{{"price":"{LONG}","weight":{LONG},"note":"say \\"hi\\"\\n"}}', False),
        (Odd, f'{{"price":{LONG}}}', True),
        (Odd, f'{{"price" :\n-{LONG}}}', True),
        (Odd, f'{{"price":[{LONG}]}}', True),
        (Odd, f'{{"\\u0070rice":{LONG}}}', True),
        (Escaped, f'{{"a\\/b":{LONG}}}', True),
        (Escaped, f'{{"c\\nd":{LONG}}}', True),
    ],
)
def test_a_number_in_another_field_is_no_cause_for_doubt(
    intent: type[WriteIntent], text: str, doubtful: bool
) -> None:
    """Only a number in a field that would show the change matters, however the name of the field is written."""
    assert may_be_inexact(text, intent) == doubtful
