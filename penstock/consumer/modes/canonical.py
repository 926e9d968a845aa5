"""One form for all keys that Postgres calls equal. Tombstones hold keys as JSON, which knows no other equality."""

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import (
    CHAR,
    Boolean,
    ColumnElement,
    Date,
    DateTime,
    Double,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Table,
    Text,
    Time,
    Uuid,
    cast,
    func,
)
from sqlalchemy.dialects.postgresql import CIDR, CITEXT, DOMAIN, INET, INTERVAL, MACADDR, MACADDR8
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.bind_processing import postgres_type

Type = TypeEngine[Any]
Form = Callable[[ColumnElement[Any]], ColumnElement[Any]]


def _unchanged(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return value


def _lower(value: ColumnElement[Any]) -> ColumnElement[Any]:
    # citext compares lower(x) under the database's default collation, whatever the column's is.
    return func.pg_catalog.lower(cast(value, Text).collate("default"))


def _trimmed(value: ColumnElement[Any]) -> ColumnElement[Any]:
    # The cast drops the padding, which counts in no comparison.
    return cast(value, Text)


def _justified(value: ColumnElement[Any]) -> ColumnElement[Any]:
    # Postgres compares intervals as if a month had 30 days and a day 24 hours.
    return func.pg_catalog.justify_interval(value)


def _without_zeros(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return func.pg_catalog.trim_scale(value)


# The first entry that fits a type counts.
_FORMS: tuple[tuple[type[Any] | tuple[type[Any], ...], Form], ...] = (
    (CITEXT, _lower),
    (CHAR, _trimmed),
    ((Interval, INTERVAL), _justified),
    ((Float, Double), _unchanged),
    (Numeric, _without_zeros),
    ((Boolean, Integer, String, Uuid, Date, DateTime, Time, LargeBinary), _unchanged),
    ((INET, CIDR, MACADDR, MACADDR8), _unchanged),
)


def _form(declared: Type) -> Form | None:
    type_ = postgres_type(declared)
    if isinstance(type_, DOMAIN):
        return _form(type_.data_type)
    return next((form for types, form in _FORMS if isinstance(type_, types)), None)


def canonical(value: ColumnElement[Any], type_: Type) -> ColumnElement[Any]:
    """Return the form of a value that it shares with all values that are equal to it, and with no other."""
    return (_form(type_) or _unchanged)(value)


def canonical_errors(table: Table, key: Sequence[str]) -> list[str]:
    """Return an error for each column of the key whose equal values have no common form."""
    return [
        f"column {name!r}: rows of the table are deleted, and a tombstone cannot hold a key of type "
        f"{table.c[name].type!r}, because equal values of it have no common form: use a key of another type, or "
        "mark deleted rows in a column of their own instead of deleting them"
        for name in key
        if name in table.c and _form(table.c[name].type) is None
    ]
