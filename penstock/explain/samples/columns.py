"""What the columns that a field is written to say of its values: lengths, ranges, labels."""

from collections.abc import Callable, Mapping
from typing import Any, Final

from sqlalchemy import Column, Enum, Numeric, String
from sqlalchemy.types import TypeEngine

from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.rows.wire import sql_type_name
from penstock.explain.samples.values import WIDE, Schema

_LARGEST: Final = {"SMALLINT": 2**15 - 1, "INTEGER": 2**31 - 1, "BIGINT": 2**53 - 1}
_TEXTS: Final = {
    "INTERVAL": ["5 minutes", "1 hour", "2 days"],
    "INET": ["192.0.2.1", "192.0.2.2"],
    "CIDR": ["192.0.2.0/24"],
    "MACADDR": ["08:00:2b:01:02:03"],
    "INT4RANGE": ["[1,10)"],
    "INT8RANGE": ["[1,10)"],
    "NUMRANGE": ["[1,10)"],
    "DATERANGE": ["[2026-01-01,2026-02-01)"],
    "TSRANGE": ["[2026-01-01,2026-02-01)"],
    "TSTZRANGE": ["[2026-01-01,2026-02-01)"],
}
_FORMATS: Final = {"UUID": "uuid", "DATE": "date", "TIMESTAMP WITH TIME ZONE": "date-time"}


def with_columns(properties: Mapping[str, Schema], bound: Bound) -> dict[str, Schema]:
    """Return the schemas of a kind's fields, narrowed to what their columns hold."""
    narrowed = dict(properties)
    for requirements in bound.requirements:
        for key, field in requirements.fields.items():
            if field in narrowed:
                column = requirements.table.c[key]
                narrowed[field] = _narrowed(narrowed[field], column, wide=_is_wide(column, requirements))
    return narrowed


def distinct_fields(bound: Bound) -> set[str]:
    """Return the fields whose columns are unique by themselves."""
    return {
        field
        for requirements in bound.requirements
        for key, field in requirements.fields.items()
        if _is_unique(requirements.table.c[key])
    }


def _is_unique(column: Column[Any]) -> bool:
    return bool(column.unique) or (column.primary_key and len(column.table.primary_key.columns) == 1)


def _is_wide(column: Column[Any], requirements: Requirements) -> bool:
    """Return whether a column identifies a row, or is its version, which has to be a newer one."""
    versions = requirements.live.versions if requirements.live else ()
    return column.primary_key or bool(column.unique) or column.key in {*requirements.key, *versions}


def _narrowed(schema: Schema, column: Column[Any], *, wide: bool) -> Schema:
    if "enum" in schema or "const" in schema:
        return schema
    if "anyOf" in schema:
        return {**schema, "anyOf": [_narrowed(option, column, wide=wide) for option in schema["anyOf"]]}
    narrow = _NARROWERS.get(schema.get("type", ""))
    return narrow(schema, column.type, wide) if narrow else schema


def _narrowed_number(schema: Schema, type_: TypeEngine[Any], wide: bool) -> Schema:
    name = sql_type_name(type_)
    most = _LARGEST.get(name)
    if isinstance(type_, Numeric) and type_.precision is not None:
        most = 10 ** (type_.precision - (type_.scale or 0)) - 1
    limits = {} if most is None else {"maximum": min(most, schema.get("maximum", most))}
    return {**schema, **limits, **({WIDE: True} if wide and most is not None else {})}


def _narrowed_text(schema: Schema, type_: TypeEngine[Any], _wide: bool) -> Schema:
    name = sql_type_name(type_)
    if isinstance(type_, Enum):
        return {**schema, "enum": list(type_.enums)}
    if "format" in schema or "pattern" in schema:
        return schema
    if name in _TEXTS:
        return {**schema, "enum": _TEXTS[name]}
    if name in _FORMATS:
        return {**schema, "format": _FORMATS[name]}
    if isinstance(type_, String) and type_.length is not None:
        return {**schema, "maxLength": min(type_.length, schema.get("maxLength", type_.length))}
    return schema


_NARROWERS: Final[Mapping[str, Callable[[Schema, TypeEngine[Any], bool], Schema]]] = {
    "integer": _narrowed_number,
    "number": _narrowed_number,
    "string": _narrowed_text,
}
