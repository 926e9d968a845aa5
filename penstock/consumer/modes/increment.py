"""The write mode `Increment`: numbers added to a row."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    CTE,
    ColumnElement,
    Float,
    Integer,
    Numeric,
    Select,
    Table,
    case,
    cast,
    exists,
    func,
    not_,
    null,
    or_,
    select,
)
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.mapping.bind_processing import postgres_type
from penstock.consumer.mapping.columns import TableLike, binding_error, table_of
from penstock.consumer.modes.base import SOLE_WRITER, WriteContext
from penstock.consumer.modes.keyed import ColumnKeys, as_tuple, bind_keyed, same_key
from penstock.consumer.modes.live_table import LiveTable
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.statements import SetWrite, Writing
from penstock.consumer.rows.recordset import Recordset, sources
from penstock.database.ledger import APPLIED
from penstock.intents import WriteIntent

_KEPT = "penstock_kept"
"""The column that says whether an updated row has the key by which it was found."""


class Increment:
    """Add each intent's numbers to the row of its key, which is inserted if missing.

    Sums do not depend on the order, unless a constraint of the table checks a sum in between.
    """

    def __init__(
        self,
        table: TableLike,
        *,
        key: ColumnKeys,
        add: Mapping[str, str],
        columns: Mapping[str, str] | None = None,
    ) -> None:
        """Name the table, its key and what is added.

        Args:
            table: the table, or a declarative class.
            key: the column or columns that identify a row; the table must make them unique.
            add: for each column, an integer or a numeric, the field that is added to it.
            columns: field by column of the key, where the names differ.

        Raises:
            penstock.consumer.BindingError: `table` is not a table.
        """
        self.table = table_of(table)
        self.key = as_tuple(key)
        self.add = dict(add)
        self._columns = columns

    def bind(self, intent: type[WriteIntent], context: WriteContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Raises:
            penstock.consumer.BindingError: the intent, the table and the context do not agree.
        """
        bound = bind_keyed(
            intent,
            self.table,
            self.key,
            {**(self._columns or {}), **self.add},
            [],
            partial=context.partial,
            only=self.key if context.partial else None,
        )
        if errors := [*self._errors(bound, context)]:
            raise binding_error(intent, self.table, errors)
        recordset = Recordset(intent, sources(self.table, bound), context.digested)
        requirements = Requirements(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound], "UPDATE": [*self.add], "SELECT": [*bound]},
            key=self.key,
            live=LiveTable(self.table, self.key, values=[*self.add], without_default=context.without_default),
        )
        return SetWrite(recordset, self._write, requirements=requirements)

    def _write(self, rows: CTE) -> Writing:
        add = list(self.add)
        sums = _sums(self.table, rows, self.key, add).cte("penstock_added")
        updated = _update(self.table, sums, self.key, add)
        inserted = _insert_missing(self.table, sums, updated, self.key, add)
        strange = _belongs_to_no_intent(sums, updated, inserted, self.key)
        return Writing(outcome=case((strange, null()), else_=APPLIED))

    def _errors(self, bound: Mapping[str, str], context: WriteContext) -> Iterator[str]:
        if context.deletable:
            yield (
                "the table has both an Increment and a Delete, but a sum has no version, so the result would "
                "depend on the order: use Upsert with a version, or write the sums to another table"
            )
        if not self.add:
            yield "`add` is empty: name at least one column, and the field that is added to it"
        for column, field in self.add.items():
            # A sum of floats depends on the order of its parts.
            type_ = postgres_type(self.table.c[column].type)
            if isinstance(type_, Float) or not isinstance(type_, Integer | Numeric):
                yield (
                    f"field {field!r}, column {column!r}: an Increment needs an integer or a numeric, "
                    f"not {type_}: change the type of the column"
                )
        for column in sorted(set(bound) - {*self.key, *self.add}):
            yield (
                f"field {bound[column]!r}, column {column!r}: the column is not part of the key and nothing "
                "is added to it: name it in `key` or `add`, or remove the field from the intent"
            )


def _sums(table: Table, rows: CTE, key: Sequence[str], add: Sequence[str]) -> Select[Any]:
    keys = [rows.c[name] for name in key]
    added = [
        cast(func.coalesce(func.pg_catalog.sum(rows.c[name], type_=Numeric()), 0), table.c[name].type).label(name)
        for name in add
    ]
    return select(*keys, *added).group_by(*keys)


def _update(table: Table, sums: CTE, key: Sequence[str], add: Sequence[str]) -> CTE:
    """Update the rows that exist, after locking them in the order of their keys, as every batch does.

    ON CONFLICT cannot do this: it checks the constraints of the table against the added number alone, before it
    finds the row that the number is added to.
    """
    keys = [table.c[name] for name in key]
    locked = (
        select(*keys)
        .join(sums, same_key(table, sums, key))
        .order_by(*keys)
        .with_for_update(of=table)
        .cte("penstock_locked")
    )
    return (
        table.update()
        .values({name: func.coalesce(table.c[name], 0) + sums.c[name] for name in add})
        .where(same_key(table, sums, key), exists().where(same_key(locked, sums, key)))
        .returning(*keys, same_key(table, sums, key).label(_KEPT))
        .cte("penstock_updated")
    )


def _insert_missing(table: Table, sums: CTE, updated: CTE, key: Sequence[str], add: Sequence[str]) -> CTE:
    names = [*key, *add]
    missing = (
        select(*(sums.c[name] for name in names))
        .where(not_(exists().where(same_key(updated, sums, key))))
        .order_by(*(sums.c[name] for name in key))
    )
    statement = insert(table).from_select([table.c[name] for name in names], missing, include_defaults=False)
    return (
        statement.on_conflict_do_update(
            index_elements=[table.c[name] for name in key],
            set_={table.c[name]: func.coalesce(table.c[name], 0) + statement.excluded[name] for name in add},
        )
        .returning(*(table.c[name] for name in key))
        .cte("penstock_inserted")
    )


def _belongs_to_no_intent(sums: CTE, updated: CTE, inserted: CTE, key: Sequence[str]) -> ColumnElement[bool]:
    """Say that a row was written whose key no intent has: a trigger has changed it."""
    strange = exists().where(not_(exists().where(same_key(sums, inserted, key)))).select_from(inserted)
    return or_(exists().where(not_(updated.c[_KEPT])), strange)
