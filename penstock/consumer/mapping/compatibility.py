"""Whether a field fits a column. What is certainly wrong is refused; what is not known is accepted.

A custom type on either side is accepted: a validator or a serializer, a `UserDefinedType`, any class that is not
named here. A `TypeDecorator` counts as the type that it wraps.
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
from sqlalchemy.dialects.postgresql.ranges import AbstractRange
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.bind_processing import postgres_type
from penstock.consumer.mapping.conversions import conversion_of, labels_of
from penstock.consumer.mapping.field_types import FieldType, type_names, values_of

_NUMBERS = {"int", "float", "Decimal"}
_TIMES = {"date", "time", "datetime", "aware datetime", "naive datetime", "timedelta"}
_TEXTS = _NUMBERS | _TIMES | {"str", "bool", "UUID", "IP address", "object", "list"}

# The first entry that fits a column's type counts. The sets hold names as `type_names` returns them.
_ACCEPTED: tuple[tuple[type[Any] | tuple[type[Any], ...], Collection[str]], ...] = (
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
    # Postgres reads each of them from a text of its own form only.
    ((postgresql.HSTORE, AbstractRange, postgresql.BIT, postgresql.TSVECTOR, postgresql.TSQUERY), {"str"}),
)


def type_errors(field: FieldType, column: Column[Any]) -> Iterator[str]:
    """Yield why a column cannot store the values of a field, or would change them, and how to fix it."""
    type_ = postgres_type(column.type)
    if field.sensitive and (not isinstance(type_, String) or isinstance(type_, Enum)):
        yield f"a Sensitive text cannot be stored in {type_!r}: give it a column of type text or varchar"
        return
    if not field.serialized:
        yield from _errors(field, type_)
    elif isinstance(type_, LargeBinary):
        yield "the field has a serializer, but bytea takes plain bytes: remove it, or use a text column"


def _errors(field: FieldType, type_: TypeEngine[Any]) -> Iterator[str]:
    for alternative in field.alternatives:
        for name in sorted(type_names(alternative)):
            yield from _errors_of_type(name, field, type_)
    if isinstance(type_, ARRAY):
        yield from _item_errors(field, type_)
    elif isinstance(type_, Enum):
        yield from _label_errors(field, type_)


def _errors_of_type(name: str, field: FieldType, type_: TypeEngine[Any]) -> Iterator[str]:
    if name == "secret":
        yield "a secret is serialized as asterisks: add a serializer to the field, or declare it without Secret"
    elif isinstance(type_, DateTime):
        yield from _time_zone_errors(name, type_, validated=field.validated)
    else:
        accepted = next((accepted for types, accepted in _ACCEPTED if isinstance(type_, types)), None)
        if accepted is not None and name not in accepted:
            yield f"{name} cannot be stored in {type_!r}, {_accepts(accepted)}"


def _time_zone_errors(name: str, type_: DateTime, *, validated: bool) -> Iterator[str]:
    """Yield what a time zone is missing for, or lost in.

    A time without an offset would get the time zone of the session. An offset would be dropped by a column without
    a time zone.
    """
    wanted = "aware datetime" if type_.timezone else "naive datetime"
    accepted = {wanted} if type_.timezone else {wanted, "date"}
    if name == "datetime" and not validated:
        class_ = "AwareDatetime" if type_.timezone else "NaiveDatetime"
        yield f"a datetime may be naive or aware: declare it as pydantic.{class_}"
    elif name != "datetime" and name not in accepted:
        yield f"{name} cannot be stored in {type_!r}, {_accepts(accepted)}"


def _accepts(accepted: Collection[str]) -> str:
    return f"which accepts {', '.join(sorted(accepted))}: change the type of the field or of the column"


def _item_errors(field: FieldType, type_: ARRAY[Any]) -> Iterator[str]:
    for item in field.items:
        # An array of Postgres has any number of dimensions, whatever its declaration says.
        if not item.is_list:
            yield from _errors(item, type_.item_type)
        elif conversion_of(item, type_).direct:
            yield from _item_errors(item, type_)
        else:
            yield f"lists of lists cannot be converted to {type_!r}: use a flat list, or a column of type JSONB"


def _label_errors(field: FieldType, type_: Enum) -> Iterator[str]:
    for alternative in field.alternatives:
        missing = sorted({str(value) for value in values_of(alternative)} - {*labels_of(alternative, type_)})
        if missing:
            labels = ", ".join(map(repr, missing))
            yield f"{type_!r} has no label {labels}: add it to the column's type, or remove it from the field's"
