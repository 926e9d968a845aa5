"""What the write modes share that find a row by its key."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
    Index,
    PrimaryKeyConstraint,
    Select,
    Table,
    Text,
    UniqueConstraint,
    and_,
    cast,
    func,
    select,
)
from sqlalchemy.dialects.postgresql import distinct_on

from penstock.consumer.mapping.columns import ID, bind_columns, binding_error, nullable_columns
from penstock.consumer.mapping.field_types import field_type
from penstock.consumer.modes.versions import spelled_differently, version_errors
from penstock.intents import WriteIntent

ColumnKeys = str | Sequence[str]
"""One column or several, by their keys in SQLAlchemy."""


def as_tuple(names: ColumnKeys) -> tuple[str, ...]:
    """Return column keys as a tuple."""
    return (names,) if isinstance(names, str) else tuple(names)


def bind_keyed(
    intent: type[WriteIntent],
    table: Table,
    key: Sequence[str],
    columns: Mapping[str, str] | None,
    needed: Sequence[str],
    *,
    inserts: bool = True,
    partial: bool = False,
    only: Collection[str] | None = None,
) -> dict[str, str]:
    """Bind an intent to a table whose rows are found by a key.

    Args:
        intent: the class of intents.
        table: the table.
        key: the columns of the key.
        columns: field by column, where the names differ.
        needed: columns that every intent must have a value for, in addition to the key.
        inserts: whether rows are inserted.
        partial: whether another write of the kind may have the column of a field.
        only: the columns that a field of their name goes to; by default all.

    Returns:
        The field of each column.

    Raises:
        BindingError: the intent and the table do not agree, or the key is not unique.
    """
    bound = bind_columns(intent, table, columns, inserts=inserts, updates=inserts, partial=partial, only=only)
    required, nullable = [*key, *needed], nullable_columns(intent, bound)
    errors = [
        f"column {name!r} of the key or the version gets no field: add a field {name!r} to the intent, "
        "or map another field to it in `columns`"
        for name in required
        if name not in bound
    ]
    errors += [
        f"field {bound[name]!r} may be None, but column {name!r} is part of the key or holds the version: "
        "make the field required"
        for name in required
        if name in nullable
    ]
    errors += [
        f"field {bound[name]!r} is Sensitive, but column {name!r} is part of the key or holds the version, which "
        "Postgres names in its errors and Penstock keeps in tombstones: find the row by an id"
        for name in required
        if name in bound and field_type(intent, bound[name]).sensitive
    ]
    if table.name == "excluded":
        errors.append("Postgres uses the name `excluded` in ON CONFLICT: give the table another name")
    errors += version_errors(table, key, needed)
    if not _is_unique(table, key):
        names = ", ".join(map(repr, key))
        errors.append(
            f"nothing in the table makes the key {names} unique: declare a unique constraint or index on it"
        )
    if errors:
        raise binding_error(intent, table, errors)
    return bound


def _is_unique(table: Table, key: Sequence[str]) -> bool:
    return {name for name in key if name in table.c} in unique_keys(table)


def unique_keys(table: Table) -> list[set[str]]:
    """Return the sets of columns that the table makes unique together."""
    constraints = [c for c in table.constraints if isinstance(c, PrimaryKeyConstraint | UniqueConstraint)]
    indexes = [index for index in table.indexes if index.unique and not _is_partial(index)]
    return [{column.key for column in unique.columns} for unique in [*constraints, *indexes]]


def _is_partial(index: Index) -> bool:
    return index.dialect_options["postgresql"]["where"] is not None


def same_key(one: FromClause, other: FromClause, key: Sequence[str]) -> ColumnElement[bool]:
    """Say that two rows have the same key."""
    return and_(*(one.c[name] == other.c[name] for name in key))


def tie_broken_by(table: Table, version: str, values: Sequence[str]) -> list[str]:
    """Return the columns that decide between equal versions; equal versions may be written differently, too."""
    return [*values, *([version] if spelled_differently(table, version) else [])]


def tie_breaker(row: Any, names: Sequence[str]) -> ColumnElement[str]:
    """Return what decides between equal versions: the values themselves, as text, so that any two differ."""
    return cast(func.row(*(row[name] for name in names)), Text).collate("C")


def newest_per_key(rows: CTE, key: Sequence[str], version: str, values: Sequence[str]) -> Select[Any]:
    """Select the newest row of each key. Among equal versions the values decide."""
    keys = [rows.c[name] for name in key]
    order = [*keys, rows.c[version].desc()]
    order += [tie_breaker(rows.c, values).desc()] if values else []
    return select(rows).ext(distinct_on(*keys)).order_by(*order, rows.c[ID])
