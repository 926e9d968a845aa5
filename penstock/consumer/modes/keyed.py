"""What the write modes share that write to a row by its key."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    FromClause,
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

from penstock.consumer.mapping.columns import BindingError, bind_columns
from penstock.consumer.mapping.field_types import IDENTITY, field_type
from penstock.consumer.rows.recordset import ID
from penstock.intents import WriteIntent, kind_of

Names = str | Sequence[str]
"""One column, or several, by their keys."""


def names_of(names: Names) -> tuple[str, ...]:
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
) -> dict[str, str]:
    """Bind an intent to a table whose rows are found by a key.

    Args:
        intent: the class of intents.
        table: the table.
        key: the columns of the key.
        columns: field by column, where the names differ.
        needed: columns that every intent must have a value for, beside the key.
        inserts: whether rows may be made of it.

    Returns:
        The field of each column.

    Raises:
        BindingError: they do not go together, or the key is not unique.
    """
    bound = bind_columns(intent, table, columns, inserts=inserts)
    must = [*key, *needed]
    faults = [f"column {name!r} gets no field" for name in must if name not in bound]
    faults += [
        f"field {bound[name]!r} may be None, but column {name!r} tells rows or versions apart"
        for name in must
        if name in bound and _may_be_none(intent, bound[name])
    ]
    if table.name == "excluded":
        faults.append("`excluded` is what Postgres calls the row that it is given: the table needs another name")
    if not _is_unique(table, key):
        faults.append(f"nothing in the table makes {', '.join(map(repr, key))} unique")
    if faults:
        raise BindingError(f"{kind_of(intent)} ({intent.__name__}) to {table.fullname}: {'; '.join(faults)}")
    return bound


def _may_be_none(intent: type[WriteIntent], field: str) -> bool:
    return field not in IDENTITY and field_type(intent, field).optional


def _is_unique(table: Table, key: Sequence[str]) -> bool:
    columns = {table.c[name] for name in key if name in table.c}
    constraints = [c for c in table.constraints if isinstance(c, PrimaryKeyConstraint | UniqueConstraint)]
    indexes = [index for index in table.indexes if index.unique and _is_whole(index)]
    return any(set(unique.columns) == columns for unique in [*constraints, *indexes])


def _is_whole(index: Any) -> bool:
    return index.dialect_options["postgresql"]["where"] is None


def same_key(one: FromClause, other: FromClause, key: Sequence[str]) -> ColumnElement[bool]:
    """Say that two rows have the same key."""
    return and_(*(one.c[name] == other.c[name] for name in key))


def tie(row: Any, names: Sequence[str]) -> ColumnElement[str]:
    """Return what settles equal versions: the values themselves, as text, so that any two differ."""
    return cast(func.row(*(row[name] for name in names)), Text).collate("C")


def newest_first(rows: CTE, key: Sequence[str], version: str, values: Sequence[str]) -> Select[Any]:
    """Select the newest row of each key; of equal versions the one that the values settle."""
    keys = [rows.c[name] for name in key]
    order = [*keys, rows.c[version].desc()]
    order += [tie(rows.c, values).desc()] if values else []
    return select(rows).ext(distinct_on(*keys)).order_by(*order, rows.c[ID])
