"""How the text of a field becomes the value of a column: as the column's type, or through another type first.

Usually Postgres reads the text as the column's type. These values need a conversion:

- bytes are sent as base64 of the URL-safe alphabet, which bytea would read as its own escape format;
- a timedelta is sent as ISO 8601 with years of 365 days, as Pydantic writes it; Postgres has calendar years
  (PostgreSQL documentation, "Interval Input");
- a time without a time zone would lose an offset, and a time with a time zone would get one that was never sent;
- a Decimal would be rounded to the column's scale;
- a text that is too long would be truncated, because the items of an array are cast;
- an Enum is sent by its values, and the labels of the column may be its names.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum as PyEnum
from functools import partial
from typing import Any

from sqlalchemy import (
    ARRAY,
    CHAR,
    ColumnElement,
    Enum,
    Float,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Text,
    Time,
    and_,
    case,
    cast,
    column,
    extract,
    func,
    literal,
    select,
)
from sqlalchemy.dialects import postgresql
from sqlalchemy.dialects.postgresql import INTERVAL, aggregate_order_by
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.field_types import FieldType, type_names

Type = TypeEngine[Any]
Convert = Callable[[ColumnElement[Any]], ColumnElement[Any]]


def _unchanged(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return value


@dataclass(frozen=True, slots=True)
class Conversion:
    """How the text of a field becomes the value of a column.

    Attributes:
        sent_as: the type as which Postgres reads the text.
        convert: makes the column's value of that.
    """

    sent_as: Type
    convert: Convert = _unchanged

    @property
    def direct(self) -> bool:
        """Whether Postgres reads the text as the column would."""
        return self.convert is _unchanged


def conversion_of(field: FieldType, type_: Type) -> Conversion:
    """Return the conversion of a field to the type of a column."""
    if field.serialized:
        return Conversion(type_)
    if isinstance(type_, ARRAY):
        return _array_conversion(field, type_)
    if isinstance(type_, Enum):
        return _enum_conversion(field, type_)
    found = {name for alternative in field.alternatives for name in type_names(alternative)}
    for types, convertible, make in _CONVERSIONS:
        if isinstance(type_, types) and found and found <= convertible:
            return make(type_)
    return Conversion(type_)


def _array_conversion(field: FieldType, type_: ARRAY[Any]) -> Conversion:
    for item in field.items:
        found = conversion_of(item, type_.item_type)
        if not found.direct:
            return Conversion(postgresql.ARRAY(found.sent_as), partial(_convert_items, type_, found.convert))
    return Conversion(type_)


def _convert_items(type_: ARRAY[Any], convert: Convert, values: ColumnElement[Any]) -> ColumnElement[Any]:
    item = column("item", values.type.item_type)  # type: ignore[attr-defined]
    items = func.pg_catalog.unnest(values).table_valued(item, with_ordinality="position").render_derived()
    converted = func.pg_catalog.array_agg(aggregate_order_by(convert(items.c.item), items.c.position), type_=type_)
    array = select(func.coalesce(converted, cast(literal("{}"), type_))).scalar_subquery()
    return case((values.is_not(None), array))


def _binary(_type: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.pg_catalog.decode(func.pg_catalog.translate(value, "-_", "+/"), "base64", type_=LargeBinary())

    return Conversion(Text(), convert)


def _interval(type_: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        positive = cast(func.pg_catalog.ltrim(value, "-"), INTERVAL)
        in_days = positive + extract("year", positive) * cast("-1 year 365 days", INTERVAL)
        return cast(case((value.startswith("-"), cast("0", INTERVAL) - in_days), else_=in_days), type_)

    return Conversion(Text(), convert)


def _time(type_: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        if type_.timezone:
            return cast(case((value.regexp_match("[Z+-]"), value), else_=value.concat(" lacks its offset")), type_)
        # Two time zones are a syntax error (22007). So Postgres refuses a value that has one already.
        return cast(value.concat(" UTC"), type_)

    return Conversion(Text(), convert)


def _numeric(type_: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        rounded = cast(value, type_)
        refused = cast(cast(value, Text).concat(" has more decimals"), type_)
        return case((value == rounded, rounded), else_=refused)

    # A float is rounded as Postgres does it: its last decimals are seldom intended.
    approximate = isinstance(type_, Float) or type_.precision is None
    return Conversion(type_) if approximate else Conversion(Numeric(), convert)


def _varchar(type_: Any) -> Conversion:
    limit = type_.length

    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        # An assignment drops spaces beyond the limit, and refuses any other text that is too long.
        too_long = func.pg_catalog.char_length(value, type_=Integer()) > limit
        only_spaces = func.pg_catalog.char_length(func.pg_catalog.rtrim(value, " "), type_=Integer()) <= limit
        return case((and_(too_long, only_spaces), func.pg_catalog.left(value, limit, type_=Text())), else_=value)

    return Conversion(type_) if limit is None or isinstance(type_, CHAR) else Conversion(Text(), convert)


# The types of the column, the types that the field may have, and the conversion.
_CONVERSIONS: tuple[tuple[tuple[type[Any], ...], set[str], Callable[[Any], Conversion]], ...] = (
    ((LargeBinary,), {"bytes"}, _binary),
    ((Interval, INTERVAL), {"timedelta"}, _interval),
    ((Time,), {"time"}, _time),
    ((Numeric,), {"Decimal", "int"}, _numeric),
    ((String,), {"str"}, _varchar),
)


def _enum_conversion(field: FieldType, type_: Enum) -> Conversion:
    labels: dict[str, str] = {}
    for alternative in field.alternatives:
        labels |= labels_of(alternative, type_)
    if all(value == label for value, label in labels.items()):
        return Conversion(type_)
    # A text that is no value of the Enum stays as it is, and Postgres refuses it.
    return Conversion(Text(), lambda value: cast(case(labels, value=value, else_=value), type_))


def labels_of(alternative: Any, type_: Enum) -> dict[str, str]:
    """Return the label in Postgres of each value of an enumerated type, by the text of the value.

    An Enum of Python is sent by its values. The labels of the column may be its names, as SQLAlchemy makes them by
    default, its values, or what the column's `values_callable` made of the members.
    """
    labels = [str(label) for label in type_.enums]
    if not (isinstance(alternative, type) and issubclass(alternative, PyEnum)):
        return dict(zip(labels, labels, strict=True))
    members = list(alternative)
    if type_.enum_class is alternative and len(members) == len(labels):
        return {str(member.value): label for member, label in zip(members, labels, strict=True)}
    by_value = {str(member.value): str(member.value) for member in members}
    by_name = {str(member.value): member.name for member in members}
    chosen = by_value if by_value.keys() <= {*labels} else by_name
    return {value: label for value, label in chosen.items() if label in labels}
