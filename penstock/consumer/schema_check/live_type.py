"""Types, as Postgres's catalogs describe them."""

import re
from dataclasses import dataclass

from sqlalchemy import Connection, text
from sqlalchemy.exc import ProgrammingError

_MODIFIERS = re.compile(r"\((-?\d+)(?:, ?(-?\d+))?\)")


@dataclass(frozen=True, slots=True)
class LiveType:
    """A type in the database. A domain is replaced by its base type.

    Attributes:
        base: its name in Postgres without modifiers, such as `character varying[]`.
        modifiers: the length, or the precision and possibly the scale.
        text: its full name in SQL.
    """

    base: str
    modifiers: tuple[int, ...]
    text: str


def read_type(connection: Connection, name: str) -> LiveType | None:
    """Read a type from the catalogs.

    Args:
        connection: a connection to the database.
        name: the type's name in SQL.

    Returns:
        The type; None if it does not exist.

    Raises:
        ValueError: Postgres cannot parse the name.
    """
    try:
        with connection.begin_nested():
            row = connection.execute(_TYPE, {"name": name}).one_or_none()
    except ProgrammingError as error:
        raise ValueError(name) from error
    return LiveType(row.base, parse_modifiers(row.full_type) or parse_modifiers(name), name) if row else None


def enum_labels(connection: Connection, name: str) -> list[str]:
    """Return the labels of an enumerated type, given by its name in SQL."""
    return list(connection.scalars(_ENUM_LABELS, {"name": name}))


def parse_modifiers(type_name: str) -> tuple[int, ...]:
    """Return the numbers in parentheses; none if the name is quoted, since it can then contain anything."""
    found = None if '"' in type_name else _MODIFIERS.search(type_name)
    return tuple(int(number) for number in found.groups() if number is not None) if found else ()


_TYPE = text(
    """
    WITH RECURSIVE base (type, modifier) AS (
        SELECT pg_catalog.to_regtype(:name)::oid, -1
        UNION ALL
        SELECT typbasetype, typtypmod FROM base JOIN pg_catalog.pg_type ON pg_type.oid = type WHERE typtype = 'd'
    )
    SELECT pg_catalog.format_type(type, NULL) AS base,
        pg_catalog.format_type(type, modifier) AS full_type
    FROM base JOIN pg_catalog.pg_type ON pg_type.oid = type AND typtype <> 'd'
    """
)

_ENUM_LABELS = text(
    "SELECT enumlabel::text FROM pg_catalog.pg_enum"
    " WHERE enumtypid = pg_catalog.to_regtype(:name) ORDER BY enumsortorder"
)
