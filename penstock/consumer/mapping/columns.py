"""Which field of an intent goes into which column. A binding is checked when it is made."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

from sqlalchemy import Column, FromClause, Table
from sqlalchemy.types import NullType

from penstock.consumer.mapping.bind_processing import default_errors, hook_errors
from penstock.consumer.mapping.compatibility import type_errors
from penstock.consumer.mapping.field_types import IDENTITY, field_type
from penstock.intents import WriteIntent, kind_of

TableLike = FromClause | type[Any]
"""A table, or a declarative class that is mapped to one."""

RESERVED = ("penstock_intent_id", "penstock_intent_time", "penstock_digest")
"""Columns that rows have in addition to those of a table: the intent's id and time, and a digest of its fields."""

ID, TIME, DIGEST = RESERVED

_NAME_LIMIT_BYTES = 63
"""Postgres cuts longer names (PostgreSQL documentation, "Identifiers and Key Words")."""


class BindingError(TypeError):
    """A kind cannot be written to its table. The message names kind, field and column, and how to fix it."""


def binding_error(intent: type[WriteIntent], table: Table | None, errors: Iterable[str]) -> BindingError:
    """Return one error for everything that is wrong with a binding."""
    where = "" if table is None else f", table {table.fullname!r}"
    return BindingError(f"kind {kind_of(intent)!r} (class {intent.__name__}){where}: {'; '.join(errors)}")


def table_of(target: TableLike) -> Table:
    """Return the table of a table or a declarative class.

    Raises:
        BindingError: it is neither a table nor a mapped class.
    """
    table = getattr(target, "__table__", target)
    if not isinstance(table, Table):
        raise BindingError(f"{target!r} is neither a SQLAlchemy Table nor a class that is mapped to one: pass one")
    return table


def bind_columns(
    intent: type[WriteIntent],
    table: Table,
    columns: Mapping[str, str] | None = None,
    *,
    inserts: bool = True,
    updates: bool = False,
    partial: bool = False,
    only: Collection[str] | None = None,
) -> dict[str, str]:
    """Return the field of each column.

    Args:
        intent: the class of intents.
        table: the table.
        columns: field by column, for columns whose field has another name; a field may be `intent_id` or
            `intent_time`. Every other field goes to the column of its own name. Columns go by their keys in
            SQLAlchemy, which are their names by default.
        inserts: whether rows are inserted, which needs a value for every column that is NOT NULL.
        updates: whether rows are updated with new values.
        partial: whether another write of the kind may have the column of a field.
        only: the columns that a field of their name goes to; by default all.

    Returns:
        The field (or `intent_id`, `intent_time`) for the key of each column that is written.

    Raises:
        BindingError: a field has no column, a column has no field, or their types do not agree.
    """
    given = dict(columns or {})
    fields = [*intent.model_fields, *IDENTITY]
    taken = set(given.values())
    own = [column.key for column in table.c if only is None or column.key in only]
    same = {name: name for name in fields if name not in taken and name not in given and name in own}
    bound = given | same
    errors = [
        *(
            f"`columns` maps field {field!r} to column {name!r}, but there is no column {name!r}: "
            "correct the name, or add the column to the table"
            for name, field in given.items()
            if name not in table.c
        ),
        *(
            f"`columns` maps field {field!r} to column {name!r}, but there is no field {field!r}: "
            "correct the name, or add the field to the intent"
            for name, field in given.items()
            if field not in fields
        ),
        *(
            f"field {name!r} has no column: add a column {name!r}, or map another column to the field in `columns`"
            for name in intent.model_fields
            if name not in bound.values() and not partial
        ),
        *(error for column in table.c for error in _errors(intent, column, bound.get(column.key))),
        *(
            error
            for column in table.c
            if column.key not in bound
            for error in _omitted_errors(column, inserts=inserts, updates=updates)
        ),
    ]
    if not bound:
        errors.append(
            "no column would be written: add a field to the intent, or a column 'intent_id' to the table"
        )
    if errors:
        raise binding_error(intent, table, errors)
    return bound


def nullable_columns(intent: type[WriteIntent], bound: Mapping[str, str]) -> frozenset[str]:
    """Return the columns whose field may be None."""
    return frozenset(column for column, field in bound.items() if field_type(intent, field).optional)


def _omitted_errors(column: Column[Any], *, inserts: bool, updates: bool) -> Iterator[str]:
    if inserts and _needs_value(column):
        yield (
            f"column {column.key!r} is NOT NULL, has no server default and gets no field: "
            "add a field for it, give it a server default, or make it nullable"
        )
    else:
        yield from default_errors(column, inserts=inserts, updates=updates)


def _errors(intent: type[WriteIntent], column: Column[Any], field: str | None) -> Iterator[str]:
    if field is None:
        return
    pair = f"field {field!r}, column {column.key!r}"
    if isinstance(column.type, NullType):
        yield f"{pair}: the column has no type: declare its type"
        return
    if errors := [*hook_errors(column)]:
        yield from (f"{pair}: {error}" for error in errors)
        return
    if column.key in RESERVED:
        yield f"{pair}: Penstock uses the name of the column itself: give the column another key"
    if column.computed is not None or _always_identity(column):
        yield f"{pair}: the column is generated by Postgres and takes no value: map the field to another column"
    for name in (field, column.name):
        if len(name.encode()) > _NAME_LIMIT_BYTES:
            yield f"{pair}: the name {name!r} is longer than the {_NAME_LIMIT_BYTES} bytes of Postgres: shorten it"
    if field in intent.model_fields and intent.model_fields[field].exclude:
        yield f"{pair}: the field is excluded from serialization: remove `exclude` from the field"
    if field in intent.model_fields or field in IDENTITY:
        for error in _type_errors(intent, column, field):
            yield f"{pair}: {error}"


def _type_errors(intent: type[WriteIntent], column: Column[Any], field: str) -> Iterator[str]:
    type_ = field_type(intent, field)
    if type_.optional and not column.nullable:
        yield "the field may be None, but the column is NOT NULL: make the field required or the column nullable"
    if type_.sensitive and column.foreign_keys:
        yield "a Sensitive field cannot refer to another row: refer to it by an id"
    yield from type_errors(type_, column)


def _needs_value(column: Column[Any]) -> bool:
    generated = column.server_default is not None or column.computed is not None or column.identity is not None
    serial = column is column.table.autoincrement_column
    return not (column.nullable or generated or serial)


def _always_identity(column: Column[Any]) -> bool:
    return column.identity is not None and bool(column.identity.always)
