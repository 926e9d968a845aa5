"""Collations of columns. A cast to a type takes no COLLATE clause, so the collation is applied to the value."""

from copy import copy
from typing import Any, TypeVar

from sqlalchemy import ARRAY, ColumnElement, Enum, String, cast
from sqlalchemy.types import TypeEngine

Type = TypeEngine[Any]
AnyType = TypeVar("AnyType", bound=Type)


def collation_of(type_: Type) -> str | None:
    """Return the collation that a type is declared with; None stands for the database's default."""
    if isinstance(type_, ARRAY):
        return collation_of(type_.item_type)
    return type_.collation if isinstance(type_, String) and not isinstance(type_, Enum) else None


def uncollated(type_: AnyType) -> AnyType:
    """Return a type without its collation, as casts and parameters take it."""
    if collation_of(type_) is None:
        return type_
    plain: Any = copy(type_)
    # SQLAlchemy keeps what it has compiled for a type in the type itself.
    vars(plain).pop("_type_affinity", None)
    vars(plain).pop("_static_cache_key", None)
    if isinstance(plain, ARRAY):
        plain.item_type = uncollated(plain.item_type)
    else:
        plain.collation = None
    result: AnyType = plain
    return result


def collated(value: ColumnElement[Any], type_: Type) -> ColumnElement[Any]:
    """Give a value the collation of a type, if the type is declared with one."""
    name = collation_of(type_)
    return value if name is None else value.collate(name)


def cast_to_column(value: ColumnElement[Any], type_: Type) -> ColumnElement[Any]:
    """Cast a value to the type and the collation of a column."""
    return collated(cast(value, uncollated(type_)), type_)
