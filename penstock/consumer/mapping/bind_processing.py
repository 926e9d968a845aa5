"""Column types whose values Python prepares before Postgres gets them, and columns whose values Python makes up.

A drain sends whole sets of values, and Postgres reads them. SQLAlchemy never has a single value in its hands. So
what a type or a column would do to a value in Python (encrypt it, pickle it, count it) would be left out without a
word.
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, Column, PickleType, TypeDecorator
from sqlalchemy.dialects import postgresql
from sqlalchemy.types import TypeEngine

Type = TypeEngine[Any]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]
_HOOKS = (
    "process_bind_param",
    "bind_processor",
    "bind_expression",
    "process_literal_param",
    "literal_processor",
)


def postgres_type(type_: Type) -> Type:
    """Return the type that Postgres has for a type: a TypeDecorator is replaced by what it wraps.

    Variants are resolved, too. A type of SQLAlchemy's own stays as it is declared.
    """
    variant = type_._variant_mapping.get(_DIALECT.name)
    if variant is not None:
        return postgres_type(variant)
    if isinstance(type_, TypeDecorator) and not _is_sqlalchemys(type(type_)):
        return postgres_type(type_.load_dialect_impl(_DIALECT))
    if isinstance(type_, ARRAY) and postgres_type(type_.item_type) is not type_.item_type:
        return postgresql.ARRAY(postgres_type(type_.item_type), dimensions=type_.dimensions)
    return type_


def bind_hook(type_: Type) -> str | None:
    """Return the method that changes values in Python, such as `Encrypted.process_bind_param`, or None."""
    variant = type_._variant_mapping.get(_DIALECT.name)
    if variant is not None:
        return bind_hook(variant)
    for hook in _HOOKS:
        owner = next((class_ for class_ in type(type_).__mro__ if hook in vars(class_)), None)
        if owner is PickleType or (owner is not None and not _is_sqlalchemys(owner)):
            return f"{type(type_).__name__}.{hook}"
    if isinstance(type_, ARRAY):
        return bind_hook(type_.item_type)
    if isinstance(type_, TypeDecorator) and not _is_sqlalchemys(type(type_)):
        return bind_hook(type_.load_dialect_impl(_DIALECT))
    return None


def hook_errors(column: Column[Any]) -> Iterator[str]:
    """Yield why the type of a column that gets a field cannot be used, and the way out."""
    hook = bind_hook(column.type)
    if hook is not None:
        yield (
            f"the type {column.type!r} changes values in Python ({hook}), which a set-based write leaves out: "
            "let the intent carry what is to be stored, and bind it to a Table that declares the column without "
            "this type; or write the kind with Custom"
        )


def default_errors(column: Column[Any], *, inserts: bool, updates: bool) -> Iterator[str]:
    """Yield which values Python would make for a column that gets no field, and the way out."""
    # The sequence of a key is the serial's own.
    made = column.default is not None and (column.nullable or not column.default.is_sequence)
    if inserts and made and column.server_default is None:
        yield (
            f"column {column.key!r} gets no field, and its `default` is a value of Python's, which a "
            "set-based write leaves out: give it a server_default, or bind a field to it"
        )
    if updates and column.onupdate is not None:
        yield (
            f"column {column.key!r} gets no field, and its `onupdate` is a value of SQLAlchemy's, which a "
            "set-based write leaves out: bind a field to it; or set it in a trigger, and declare "
            "server_onupdate=FetchedValue() instead"
        )


def _is_sqlalchemys(class_: type) -> bool:
    return class_.__module__.partition(".")[0] == "sqlalchemy"
