"""How a column reads its field out of the JSON: as its own type, or by way of another where that would be wrong.

Postgres's own reading of a JSON text is the column's, as a rule. These need more:

- bytes travel as base64 of the URL-safe alphabet, which bytea would take for its own escape format;
- a timedelta travels as ISO 8601 with years of 365 days, as Pydantic writes it; Postgres's are calendar years
  (PostgreSQL documentation, "Interval Input");
- a time without a time zone would drop an offset, and one with a time zone would make one up;
- a Decimal would be rounded to the column's scale;
- a text longer than the column would be cut off by a cast, which is what makes an array's items of texts;
- an Enum travels by its values, and the labels may be its names.
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

from penstock.consumer.mapping.field_types import FieldType, words

Type = TypeEngine[Any]
Convert = Callable[[ColumnElement[Any]], ColumnElement[Any]]


def _unchanged(value: ColumnElement[Any]) -> ColumnElement[Any]:
    return value


@dataclass(frozen=True, slots=True)
class Conversion:
    """How a column reads its field.

    Attributes:
        wire: the type that Postgres reads the JSON as.
        convert: makes the column's value of that.
    """

    wire: Type
    convert: Convert = _unchanged

    @property
    def direct(self) -> bool:
        """Whether Postgres reads the JSON as the column would."""
        return self.convert is _unchanged


def reading(field: FieldType, type_: Type) -> Conversion:
    """Tell how a column of this type reads this field."""
    if field.serialized:
        return Conversion(type_)
    if isinstance(type_, ARRAY):
        return _reading_of_items(field, type_)
    if isinstance(type_, Enum):
        return _reading_of_labels(field, type_)
    found = {word for alternative in field.alternatives for word in words(alternative)}
    for types, known, make in _SPECIAL:
        if isinstance(type_, types) and found and found <= known:
            return make(type_)
    return Conversion(type_)


def _reading_of_items(field: FieldType, type_: ARRAY[Any]) -> Conversion:
    readings = [reading(item, type_.item_type) for item in field.items]
    for found in readings:
        if not found.direct:
            return Conversion(postgresql.ARRAY(found.wire), partial(_each, type_, found.convert))
    return Conversion(type_)


def _each(type_: ARRAY[Any], convert: Convert, values: ColumnElement[Any]) -> ColumnElement[Any]:
    item = column("item", values.type.item_type)  # type: ignore[attr-defined]
    items = func.unnest(values).table_valued(item, with_ordinality="position").render_derived()
    made = func.array_agg(aggregate_order_by(convert(items.c.item), items.c.position))
    array = select(func.coalesce(made, cast(literal("{}"), type_))).scalar_subquery()
    return case((values.is_not(None), array))


def _binary(_type: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        return func.decode(func.translate(value, "-_", "+/"), "base64", type_=LargeBinary())

    return Conversion(Text(), convert)


def _interval(type_: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        positive = cast(func.ltrim(value, "-"), INTERVAL)
        in_days = positive + extract("year", positive) * cast("-1 year 365 days", INTERVAL)
        return cast(case((value.startswith("-"), cast("0", INTERVAL) - in_days), else_=in_days), type_)

    return Conversion(Text(), convert)


def _time(type_: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        if type_.timezone:
            return cast(case((value.regexp_match("[Z+-]"), value), else_=value.concat(" lacks its offset")), type_)
        # Two time zones are a syntax error (22007): the way to have Postgres refuse the first.
        return cast(value.concat(" UTC"), type_)

    return Conversion(Text(), convert)


def _numeric(type_: Any) -> Conversion:
    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        rounded = cast(value, type_)
        refused = cast(cast(value, Text).concat(" has more decimals"), type_)
        return case((value == rounded, rounded), else_=refused)

    # A float is rounded as Postgres does it: its decimals are seldom meant.
    approximate = isinstance(type_, Float) or type_.precision is None
    return Conversion(type_) if approximate else Conversion(Numeric(), convert)


def _varchar(type_: Any) -> Conversion:
    limit = type_.length

    def convert(value: ColumnElement[Any]) -> ColumnElement[Any]:
        # Of what is too long Postgres forgives spaces at the end, and refuses the rest when it is assigned.
        too_long = func.char_length(value) > limit
        forgiven = func.char_length(func.rtrim(value, " ")) <= limit
        return case((and_(too_long, forgiven), func.left(value, limit)), else_=value)

    return Conversion(type_) if limit is None or isinstance(type_, CHAR) else Conversion(Text(), convert)


# What is read by way of another type: the column's types, all that the field may be, and how.
_SPECIAL: tuple[tuple[tuple[type[Any], ...], set[str], Callable[[Any], Conversion]], ...] = (
    ((LargeBinary,), {"bytes"}, _binary),
    ((Interval, INTERVAL), {"timedelta"}, _interval),
    ((Time,), {"time"}, _time),
    ((Numeric,), {"Decimal", "int"}, _numeric),
    ((String,), {"str"}, _varchar),
)


def _reading_of_labels(field: FieldType, type_: Enum) -> Conversion:
    labels: dict[str, str] = {}
    for alternative in field.alternatives:
        labels |= labels_of(alternative, type_)
    if all(value == label for value, label in labels.items()):
        return Conversion(type_)
    # What is no value of the Enum goes on as it is, for Postgres to refuse.
    return Conversion(Text(), lambda value: cast(case(labels, value=value, else_=value), type_))


def labels_of(alternative: Any, type_: Enum) -> dict[str, str]:
    """Tell which label of Postgres each value of an enumerated type is, by its text in JSON.

    An Enum of Python is written by its values. What Postgres has as labels decides: the names, as SQLAlchemy
    makes them by default, the values, or whatever the column's `values_callable` made of the members.
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
