"""The write mode `Increment`: numbers added to a row."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, Float, Integer, Numeric, Select, Table, cast, exists, func, not_, select
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.mapping.columns import BindingError, Target, table_of
from penstock.consumer.modes.base import SOLE_WRITER, TableContext
from penstock.consumer.modes.keyed import Names, bind_keyed, names_of, same_key
from penstock.consumer.modes.requirements import Demand
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.rows.recordset import Recordset, sources
from penstock.intents import WriteIntent, kind_of


class Increment:
    """Add each intent's numbers to the row of its key, which is made if missing.

    Sums do not depend on order, unless a constraint of the table looks at what they are in between.
    """

    def __init__(
        self, table: Target, *, key: Names, add: Mapping[str, str], columns: Mapping[str, str] | None = None
    ) -> None:
        """Say what is added to which row.

        Args:
            table: the table, or a declarative class.
            key: the column or columns that tell rows apart; something must make them unique.
            add: for each column, an integer or a numeric, the field that is added to it.
            columns: field by column of the key, where the names differ.

        Raises:
            penstock.consumer.BindingError: `table` is not a table.
        """
        self.table = table_of(table)
        self._key = names_of(key)
        self._add = dict(add)
        self._columns = columns

    def bind(self, intent: type[WriteIntent], beside: TableContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """
        bound = bind_keyed(intent, self.table, self._key, {**(self._columns or {}), **self._add}, [])
        name = f"{kind_of(intent)} ({intent.__name__}) to {self.table.fullname}"
        if beside.mortal:
            raise BindingError(f"{name}: a sum has no version, so that a Delete of its row depends on the order")
        for column in self._add:
            # A sum of floats depends on the order of its parts.
            type_ = self.table.c[column].type
            if isinstance(type_, Float) or not isinstance(type_, Integer | Numeric):
                raise BindingError(f"{name}: column {column!r} must be an integer or a numeric, not {type_}")
        other = sorted(set(bound) - {*self._key, *self._add})
        if other:
            raise BindingError(f"{name}: column {other[0]!r} is neither of the key nor added to")
        recordset = Recordset(intent, sources(self.table, bound))
        sums = _sums(self.table, recordset.cte, self._key, list(self._add)).cte("penstock_added")
        updated = _update(self.table, sums, self._key, list(self._add))
        inserted = _insert_missing(self.table, sums, updated, self._key, list(self._add))
        demand = Demand(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound], "UPDATE": [*self._add], "SELECT": [*bound]},
            key=self._key,
        )
        return SetWrite(recordset, [inserted], demand=demand)


def _sums(table: Table, rows: CTE, key: Sequence[str], add: Sequence[str]) -> Select[Any]:
    keys = [rows.c[name] for name in key]
    added = [cast(func.coalesce(func.sum(rows.c[name]), 0), table.c[name].type).label(name) for name in add]
    return select(*keys, *added).group_by(*keys)


def _update(table: Table, sums: CTE, key: Sequence[str], add: Sequence[str]) -> CTE:
    """Add to the rows that are there, after locking them by key, as every batch does.

    Not by ON CONFLICT: that would hold the constraints of the table against the sum alone before it finds the row
    that the sum is added to.
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
        .returning(*keys)
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
    return statement.on_conflict_do_update(
        index_elements=[table.c[name] for name in key],
        set_={table.c[name]: func.coalesce(table.c[name], 0) + statement.excluded[name] for name in add},
    ).cte("penstock_inserted")
