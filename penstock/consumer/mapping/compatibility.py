"""Whether a field fits a column: refuses what is surely wrong, and passes what it does not know.

A type of the user's own, on either side, is passed: a validator or a serializer, a `TypeDecorator`, a
`UserDefinedType`, any class that is not named here.
"""

from collections.abc import Collection, Iterator
from typing import Any

from sqlalchemy import (
    ARRAY,
    JSON,
    Boolean,
    Column,
    Date,
    DateTime,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Time,
    Uuid,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.conversions import labels_of, reading
from penstock.consumer.mapping.field_types import FieldType, values_of, words

_NUMBERS = {"int", "float", "Decimal"}
_TIMES = {"date", "time", "datetime", "aware datetime", "naive datetime", "timedelta"}
_TEXTS = _NUMBERS | _TIMES | {"str", "bool", "UUID", "IP address", "object", "list"}

# The first that a column's type is of; the set holds words of `words`.
_TAKES: tuple[tuple[type[Any] | tuple[type[Any], ...], Collection[str]], ...] = (
    (Boolean, {"bool"}),
    (Enum, {"str", "int"}),
    (String, _TEXTS),
    (Integer, {"int"}),
    ((Float, Numeric), _NUMBERS),
    (Uuid, {"UUID", "str"}),
    (LargeBinary, {"bytes"}),
    (Date, {"date"}),
    (Time, {"time"}),
    ((Interval, postgresql.INTERVAL), {"timedelta", "str"}),
    ((postgresql.INET, postgresql.CIDR), {"IP address", "str"}),
    ((postgresql.MACADDR, postgresql.MACADDR8), {"str"}),
    (JSON, _TEXTS | {"bytes"}),
    (ARRAY, {"list"}),
)


def type_errors(field: FieldType, column: Column[Any]) -> Iterator[str]:
    """Say why values of a field cannot go into a column, or would be changed by it."""
    if not field.serialized:
        yield from _misfits(field, column.type)
    elif isinstance(column.type, LargeBinary):
        yield "a serializer writes the field, and bytea takes plain bytes"


def _misfits(field: FieldType, type_: TypeEngine[Any]) -> Iterator[str]:
    for alternative in field.alternatives:
        for word in sorted(words(alternative)):
            yield from _misfit(word, field, type_)
    if isinstance(type_, ARRAY):
        yield from _items_misfit(field, type_)
    elif isinstance(type_, Enum):
        yield from _labels_misfit(field, type_)


def _misfit(word: str, field: FieldType, type_: TypeEngine[Any]) -> Iterator[str]:
    if word == "secret":
        yield "a secret is written as asterisks"
    elif isinstance(type_, DateTime):
        yield from _zone_misfit(word, type_, validated=field.validated)
    else:
        takes = next((takes for types, takes in _TAKES if isinstance(type_, types)), None)
        if takes is not None and word not in takes:
            yield f"{word} does not go into {type_!r}"


def _zone_misfit(word: str, type_: DateTime, *, validated: bool) -> Iterator[str]:
    """Without an offset Postgres takes the session's zone; an offset that it has no room for it drops."""
    wanted = "aware datetime" if type_.timezone else "naive datetime"
    harmless = {wanted} if type_.timezone else {wanted, "date"}
    if word == "datetime" and not validated:
        name = "AwareDatetime" if type_.timezone else "NaiveDatetime"
        yield f"a datetime may be naive or aware: declare it as pydantic.{name}"
    elif word != "datetime" and word not in harmless:
        yield f"{word} does not go into {type_!r}"


def _items_misfit(field: FieldType, type_: ARRAY[Any]) -> Iterator[str]:
    for item in field.items:
        # An array of Postgres has any number of dimensions, whatever it was declared with.
        if not item.is_list:
            yield from _misfits(item, type_.item_type)
        elif reading(item, type_).direct:
            yield from _items_misfit(item, type_)
        else:
            yield f"lists of lists are not taken apart for {type_!r}"


def _labels_misfit(field: FieldType, type_: Enum) -> Iterator[str]:
    for alternative in field.alternatives:
        missing = sorted({str(value) for value in values_of(alternative)} - {*labels_of(alternative, type_)})
        if missing:
            yield f"{type_!r} has no label {', '.join(map(repr, missing))}"
