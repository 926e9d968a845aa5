"""Every kind of field keeps every digit of a JSON number, or is refused."""

from dataclasses import dataclass, field
from decimal import Decimal
from typing import Annotated, Any, NamedTuple
from uuid import UUID, uuid4

import pytest
from pydantic import (
    AfterValidator,
    AliasChoices,
    AliasPath,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    Json,
    JsonValue,
    RootModel,
    ValidationError,
)
from typing_extensions import TypedDict

from penstock.intents.exact_numbers import read_exactly
from tests.support.evolution import kind_with

LONG = "12345678901234567.89"
SHARED = "563000000000000.2"


class Open(BaseModel):
    model_config = ConfigDict(strict=True, extra="allow")
    price: Decimal = Decimal(0)


class Inner(TypedDict):
    price: Decimal


class OpenDict(TypedDict):
    __pydantic_config__ = ConfigDict(extra="allow")  # type: ignore[misc]


@dataclass(frozen=True)
class Weighed:
    price: Decimal
    made: UUID = field(default_factory=uuid4)


class Pair(NamedTuple):
    name: str
    price: Decimal


class Prices(RootModel[dict[str, Decimal]]):
    """A model that is a dict."""


class Odd:
    """A class that nobody knows."""

    def __init__(self, value: Any) -> None:
        self.value = value


def _halved(value: Any) -> Any:
    return value / 2


KEPT: dict[str, tuple[Any, str, Any]] = {
    "one of two aliases": (
        Annotated[Decimal, Field(validation_alias=AliasChoices("a", "x"))],
        f'{{"x": {LONG}}}',
        Decimal(LONG),
    ),
    "a path as an alias": (
        Annotated[Decimal, Field(validation_alias=AliasPath("x", "y"))],
        f'{{"x": {{"y": {LONG}}}}}',
        Decimal(LONG),
    ),
    "a set": (set[Decimal], f'{{"field": [{LONG}]}}', {Decimal(LONG)}),
    "a frozenset of tuples": (
        frozenset[tuple[int, Decimal]],
        f'{{"field": [[1, {LONG}]]}}',
        frozenset({(1, Decimal(LONG))}),
    ),
    "a tuple": (tuple[int, Decimal], f'{{"field": [1, {LONG}]}}', (1, Decimal(LONG))),
    "a TypedDict": (Inner, f'{{"field": {{"price": {LONG}}}}}', {"price": Decimal(LONG)}),
    "a named tuple": (Pair, f'{{"field": ["a", {LONG}]}}', Pair("a", Decimal(LONG))),
    "a root model": (Prices, f'{{"field": {{"a": {LONG}}}}}', Prices({"a": Decimal(LONG)})),
    "a field of an open model": (Open, f'{{"field": {{"price": {LONG}}}}}', Open(price=Decimal(LONG))),
    "a union with whole numbers": (int | Decimal, f'{{"field": {LONG}}}', Decimal(LONG)),
    "a constraint": (
        Annotated[Decimal, Field(max_digits=19, decimal_places=2)],
        f'{{"field": {LONG}}}',
        Decimal(LONG),
    ),
    "an exponent": (Decimal, '{"field": 1.5e-400}', Decimal("1.5e-400")),
    "JSON in a text": (Json[Decimal], '{"field": "1.5"}', Decimal("1.5")),
}


@pytest.mark.parametrize(("type_", "text", "expected"), KEPT.values(), ids=KEPT)
def test_every_kind_of_field_keeps_every_digit(type_: Any, text: str, expected: Any) -> None:
    """Whatever holds the Decimal, and whatever its name is on the wire, it has every digit of the text."""
    intent = kind_with({"field": type_})
    read = read_exactly(intent.model_validate_json, text, intent)
    assert getattr(read, "field") == expected  # noqa: B009


@pytest.mark.parametrize(("type_", "text", "expected"), KEPT.values(), ids=KEPT)
def test_every_kind_of_field_keeps_a_number_that_shares_its_double(type_: Any, text: str, expected: Any) -> None:
    """The same holds for a number of 16 digits that is as near to its double as another one."""
    intent = kind_with({"field": type_})
    read = read_exactly(intent.model_validate_json, text.replace(LONG, SHARED), intent)
    assert repr(getattr(read, "field")) == repr(expected).replace(LONG, SHARED)  # noqa: B009


def test_a_dataclass_keeps_every_digit() -> None:
    """A default that is made anew at each reading does not matter."""
    intent = kind_with({"field": Weighed})
    read: Any = read_exactly(intent.model_validate_json, f'{{"field": {{"price": {LONG}}}}}', intent)
    assert read.field.price == Decimal(LONG)


NOT_KEPT: dict[str, tuple[Any, str]] = {
    "what an open model keeps": (Open, f'{{"field": {{"other": {LONG}}}}}'),
    "beside the field of an open model": (Open, f'{{"field": {{"price": {LONG}, "other": {LONG}}}}}'),
    "what an open TypedDict keeps": (OpenDict, f'{{"field": {{"other": {LONG}}}}}'),
    "a set of any type": (set[Any], f'{{"field": [{LONG}]}}'),
    "a set of numbers or texts": (frozenset[float | str | Decimal], f'{{"field": [{LONG}]}}'),
    "any object": (object, f'{{"field": {{"a": [{LONG}]}}}}'),
    "a JSON value": (JsonValue, f'{{"field": {LONG}}}'),
    "an unknown class": (Annotated[Any, AfterValidator(Odd)], f'{{"field": {LONG}}}'),
    "a validator that expects a number": (Annotated[Any, BeforeValidator(_halved)], f'{{"field": {LONG}}}'),
    "a number in a text of JSON": (Json[Decimal], f'{{"field": "{LONG}"}}'),
    "a number that shares its double, in a text of JSON": (Json[Decimal], f'{{"field": "{SHARED}"}}'),
    "an object in a text of JSON": (Json, f'{{"field": "{{\\"a\\": {LONG}}}"}}'),
    "NaN elsewhere": (Any, f'{{"field": [NaN, {LONG}]}}'),
}


@pytest.mark.parametrize(("type_", "text"), NOT_KEPT.values(), ids=NOT_KEPT)
def test_what_cannot_be_kept_is_refused_and_named(type_: Any, text: str) -> None:
    """Where the text of a number would take the number's place, or a double did, the field is refused."""
    intent = kind_with({"field": type_})
    with pytest.raises(ValidationError) as caught:
        read_exactly(intent.model_validate_json, text, intent)
    assert {error["type"] for error in caught.value.errors()} == {"inexact_number"}
    assert {error["loc"] for error in caught.value.errors()} <= {("field",), ()}


def test_what_an_open_intent_keeps_is_refused() -> None:
    """A number in a field that the intent does not declare, but keeps, is refused."""
    intent = kind_with({"field": (int, 0)}, extra="allow")
    with pytest.raises(ValidationError) as caught:
        read_exactly(intent.model_validate_json, f'{{"other": {LONG}}}', intent)
    assert [(error["loc"], error["type"]) for error in caught.value.errors()] == [(("other",), "inexact_number")]
