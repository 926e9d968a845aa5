"""Which columns can hold a version."""

from collections.abc import Iterator, Sequence
from typing import Any

from sqlalchemy import (
    Boolean,
    Date,
    DateTime,
    Integer,
    Interval,
    LargeBinary,
    Numeric,
    String,
    Table,
    Time,
    Uuid,
)
from sqlalchemy.dialects.postgresql import CIDR, DOMAIN, INET, INTERVAL, MACADDR, MACADDR8
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.bind_processing import postgres_type

_ORDERED = (
    *(Boolean, Date, DateTime, Integer, Interval, LargeBinary, Numeric, String, Time, Uuid),
    *(CIDR, INET, INTERVAL, MACADDR, MACADDR8),
)


def version_errors(table: Table, key: Sequence[str], versions: Sequence[str]) -> Iterator[str]:
    """Yield why columns cannot hold a version, and how to fix it."""
    for name in versions:
        if name in key:
            yield (
                f"column {name!r} is the version and a part of the key, so no row ever gets a newer version: "
                "take it out of the key, or use Append"
            )
        elif name in table.c and not _is_ordered(table.c[name].type):
            yield (
                f"column {name!r}: a version must say which of two is newer, and {table.c[name].type!r} has no "
                "such order: use a time, a number or a text as the version"
            )


def _is_ordered(declared: TypeEngine[Any]) -> bool:
    type_ = postgres_type(declared)
    return isinstance(type_.data_type if isinstance(type_, DOMAIN) else type_, _ORDERED)


def spelled_differently(table: Table, name: str) -> bool:
    """Return whether equal values of a column may be written differently, such as 1.0 and 1.00."""
    type_ = postgres_type(table.c[name].type)
    scaled = isinstance(type_, Numeric) and type_.scale is not None
    texts = isinstance(type_, String) and type_.collation is None and type(type_).__name__ != "CITEXT"
    same = isinstance(type_, Boolean | Date | DateTime | Integer | LargeBinary | Time | Uuid)
    return not (scaled or texts or same)
