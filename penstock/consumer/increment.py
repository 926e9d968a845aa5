"""The write mode `Increment`: numbers added to a row."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, Connection, Float, Integer, Numeric, Select, Table, cast, exists, func, not_, select
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.binding import BindingError, Target, table_of
from penstock.consumer.keyed import Names, bind_keyed, names_of, rows_of, same_key
from penstock.consumer.modes import ALONE, Beside
from penstock.intents import Envelope, WriteIntent, kind_of


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

    def bind(self, intent: type[WriteIntent], beside: Beside = ALONE, /) -> "IncrementWrite":
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
        return IncrementWrite(intent, self.table, self._key, list(self._add), bound)


class IncrementWrite:
    """`Increment`, bound to one class of intents: one statement for a whole set, whose text never changes."""

    def __init__(
        self,
        intent: type[WriteIntent],
        table: Table,
        key: Sequence[str],
        add: Sequence[str],
        bound: Mapping[str, str],
    ) -> None:
        self._recordset, rows = rows_of(intent, table, bound)
        sums = _sums(table, rows, key, add).cte("added")
        self._statement = _insert_missing(table, sums, _update(table, sums, key, add), key, add)

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Add the sum of each key.

        Returns:
            Nothing: no increment is ever stale.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; nothing of the set was added.
            pydantic_core.PydanticSerializationError: an envelope cannot be written as JSON.
        """
        connection.execute(self._statement, self._recordset.parameters(envelopes))
        return ()


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
        .cte("locked")
    )
    return (
        table.update()
        .values({name: func.coalesce(table.c[name], 0) + sums.c[name] for name in add})
        .where(same_key(table, sums, key), exists().where(same_key(locked, sums, key)))
        .returning(*keys)
        .cte("updated")
    )


def _insert_missing(table: Table, sums: CTE, updated: CTE, key: Sequence[str], add: Sequence[str]) -> Any:
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
    )
