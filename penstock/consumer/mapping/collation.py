"""Collations of columns. A cast to a type takes no COLLATE clause, so the collation is applied to the value."""

from copy import copy
from typing import Any

from sqlalchemy import ARRAY, ColumnElement, Enum, String, cast
from sqlalchemy.types import TypeEngine

from penstock.consumer.mapping.bind_processing import postgres_type

Type = TypeEngine[Any]


def collation_of(type_: Type) -> str | None:
    """Return the collation that a type is declared with; None stands for the database's default."""
    plain = postgres_type(type_)
    if isinstance(plain, ARRAY):
        return collation_of(plain.item_type)
    return plain.collation if isinstance(plain, String) and not isinstance(plain, Enum) else None


def uncollated(type_: Type) -> Type:
    """Return a type without its collation, as casts and parameters take it."""
    if collation_of(type_) is None:
        return type_
    plain: Any = copy(postgres_type(type_))
    # SQLAlchemy keeps what it has compiled for a type in the type itself.
    vars(plain).pop("_type_affinity", None)
    vars(plain).pop("_static_cache_key", None)
    if isinstance(plain, ARRAY):
        plain.item_type = uncollated(plain.item_type)
    else:
        plain.collation = None
    result: Type = plain
    return result


def collated(value: ColumnElement[Any], type_: Type) -> ColumnElement[Any]:
    """Give a value the collation of a type, if the type is declared with one."""
    name = collation_of(type_)
    return value if name is None else value.collate(name)


def cast_to_column(value: ColumnElement[Any], type_: Type) -> ColumnElement[Any]:
    """Cast a value to the type and the collation of a column."""
    return collated(cast(value, uncollated(type_)), type_)
