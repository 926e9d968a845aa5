"""What SQLAlchemy does in Python for a column, and Penstock's statements would bypass.

Postgres makes the rows of a batch from what Pydantic wrote. So a type's own processing of a value does not run (it
might encrypt the value), and neither does a default that SQLAlchemy computes (SQLAlchemy, "Column INSERT/UPDATE
Defaults").
"""

from collections.abc import Iterator
from typing import Any

from sqlalchemy import ARRAY, Column, PickleType
from sqlalchemy.types import TypeEngine

_HOOKS = ("process_bind_param", "bind_processor", "bind_expression", "process_literal_param")


def type_processing_errors(type_: TypeEngine[Any]) -> Iterator[str]:
    """Yield why a type cannot be written, if it processes values in Python or in an expression of its own."""
    if isinstance(type_, ARRAY):
        yield from type_processing_errors(type_.item_type)
    hook = next((name for name in _HOOKS if _is_custom(type_, name)), None)
    if hook:
        yield (
            f"the column's type {type(type_).__name__} processes each value with `{hook}`, which would not run: "
            "do that in a validator or a serializer of the field, and declare a plain type"
        )


def default_errors(column: Column[Any], *, inserts: bool) -> Iterator[str]:
    """Yield why a column without a field would not get the value that SQLAlchemy would give it."""
    default = column.default
    if inserts and default is not None and not default.is_sequence and column.server_default is None:
        yield (
            f"column {column.key!r} gets no field, and its `default` would not run: "
            "use `server_default`, or add a field for it"
        )
    if column.onupdate is not None and column.server_onupdate is None:
        yield (
            f"column {column.key!r} gets no field, and its `onupdate` would not run: "
            "use a trigger with `server_onupdate=FetchedValue()`, or add a field for it"
        )


def _is_custom(type_: TypeEngine[Any], name: str) -> bool:
    if isinstance(type_, PickleType):
        return name == "bind_processor"
    owner = next((class_ for class_ in type(type_).__mro__ if name in vars(class_)), object)
    return owner is not object and not owner.__module__.startswith("sqlalchemy.")
