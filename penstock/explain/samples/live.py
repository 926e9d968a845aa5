"""Values that are in the database: keys of rows to write again, and parents that foreign keys refer to.

A sample without them would show only how new rows are written, and none at all to a table with a foreign key.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from pydantic_core import to_jsonable_python
from sqlalchemy import Column, ColumnElement, Connection, ForeignKeyConstraint, Text, cast, select
from sqlalchemy.exc import DBAPIError

from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.rows.wire import sql_type_name

Values = Mapping[str, Any]
"""JSON values by field."""


def live_values(connection: Connection, bound: Bound, count: int) -> list[Values]:
    """Return values from the database for up to `count` samples.

    Half of the samples get the keys of rows that exist. The others get no key, so that it is a new one. All of
    them refer to parents that exist. A table that the role cannot read gives nothing.

    Args:
        connection: in a transaction.
        bound: the kind.
        count: the number of samples.
    """
    samples: list[dict[str, Any]] = [{} for _ in range(count)]
    for requirements in bound.requirements:
        keys = _rows(connection, _key_columns(requirements), count // 2)
        _give(samples[: len(keys)], keys)
        for constraint in _foreign_keys(requirements):
            parents = _rows(connection, _parent_columns(requirements, constraint), count)
            _give(samples, list(_repeated(parents, count)))
    return list(samples)


def _give(samples: Sequence[dict[str, Any]], values: Sequence[Values]) -> None:
    """Add values to samples that have none of these fields yet."""
    for sample, more in zip(samples, values, strict=False):
        if not sample.keys() & more.keys():
            sample.update(more)


def _repeated(values: Sequence[Values], count: int) -> Iterator[Values]:
    for number in range(count if values else 0):
        yield values[number % len(values)]


def _key_columns(requirements: Requirements) -> dict[str, Column[Any]]:
    return {
        requirements.fields[key]: requirements.table.c[key]
        for key in requirements.key
        if key in requirements.fields
    }


def _foreign_keys(requirements: Requirements) -> list[ForeignKeyConstraint]:
    return sorted(requirements.table.foreign_key_constraints, key=lambda one: sorted(one.column_keys))


def _parent_columns(requirements: Requirements, constraint: ForeignKeyConstraint) -> dict[str, Column[Any]]:
    """Return the column of the parent for each field; nothing if the kind does not carry all of the columns."""
    found = {
        requirements.fields[element.parent.key]: element.column
        for element in constraint.elements
        if element.parent.key in requirements.fields
    }
    return found if len(found) == len(constraint.elements) else {}


def _rows(connection: Connection, columns: Mapping[str, Column[Any]], count: int) -> list[Values]:
    """Return the values of some rows. The columns are unique together: a key, or what a foreign key refers to."""
    if not columns or not count:
        return []
    try:
        with connection.begin_nested():
            rows = connection.execute(select(*map(_selected, columns.values())).limit(count)).all()
    except DBAPIError as error:
        # Without the privilege, or without the table, samples are made up.
        if connection.invalidated or error.connection_invalidated:
            raise
        return []
    return list(islice(_as_json(columns, rows), count))


def _selected(column: Column[Any]) -> ColumnElement[Any]:
    """Select an interval as text: Python's durations have no months, and another form below zero."""
    return cast(column, Text) if sql_type_name(column.type).startswith("INTERVAL") else column


def _as_json(columns: Iterable[str], rows: Iterable[Sequence[Any]]) -> Iterator[Values]:
    for row in rows:
        if all(value is not None for value in row):
            yield dict(
                zip(
                    columns,
                    to_jsonable_python(list(row), bytes_mode="base64", serialize_unknown=True),
                    strict=True,
                )
            )
