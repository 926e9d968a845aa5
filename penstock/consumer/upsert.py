"""The write mode `Upsert`: the row of a key, if the version is newer."""

from collections.abc import Collection, Mapping, Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import CTE, ColumnElement, Connection, Table, and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.binding import Target, table_of
from penstock.consumer.keyed import (
    ID,
    Names,
    bind_keyed,
    names_of,
    newest_first,
    rows_of,
    same_key,
    tie,
    unless_in,
)
from penstock.consumer.modes import ALONE, Beside, Group
from penstock.consumer.tombstones import not_buried
from penstock.intents import Envelope, WriteIntent


class Upsert:
    """Land each intent in the row of its key: made if missing, changed if the intent's version is newer.

    Only the columns that the intent carries are written. Kinds that carry other columns of the same rows each have
    a version of their own, in a column of its own. Equal versions are settled by the values themselves.
    """

    def __init__(
        self, table: Target, *, key: Names, version: str, columns: Mapping[str, str] | None = None
    ) -> None:
        """Say which row is written.

        Args:
            table: the table, or a declarative class.
            key: the column or columns that tell rows apart; something must make them unique.
            version: the column of the version: a time, a number or a text that grows with each change. It may
                get `intent_time`.
            columns: field by column, where the names differ.

        Raises:
            penstock.consumer.BindingError: `table` is not a table.
        """
        self.table = table_of(table)
        self.key = names_of(key)
        self.version = version
        self._columns = columns

    def group(self, intent: type[WriteIntent]) -> Group:
        """Return the columns that this kind writes together.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not go together.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version])
        return Group(self.version, frozenset(bound) - {*self.key, self.version})

    def bind(self, intent: type[WriteIntent], beside: Beside = ALONE, /) -> "UpsertWrite":
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version])
        return UpsertWrite(intent, self.table, self.key, self.version, bound, mortal=beside.mortal)


class UpsertWrite:
    """`Upsert`, bound to one class of intents: one statement for a whole set, whose text never changes."""

    def __init__(
        self,
        intent: type[WriteIntent],
        table: Table,
        key: Sequence[str],
        version: str,
        bound: Mapping[str, str],
        *,
        mortal: bool,
    ) -> None:
        self._recordset, rows = rows_of(intent, table, bound)
        values = sorted(set(bound) - {*key, version})
        newest = newest_first(rows, key, version, values)
        if mortal:
            newest = newest.where(not_buried(table, rows, key, version))
        folded = newest.cte("newest")
        written = _upsert(table, folded, key, version, values)
        landed = select(folded.c[ID]).join(written, same_key(folded, written, key))
        self._statement = unless_in(rows, landed)

    def apply(self, connection: Connection, envelopes: Sequence[Envelope[Any]]) -> Collection[UUID]:
        """Write the newest version of each key, where the table has none as new.

        Returns:
            The ids of the intents whose version was not the newest.

        Raises:
            sqlalchemy.exc.SQLAlchemyError: Postgres refused; nothing of the set was written.
            pydantic_core.PydanticSerializationError: an envelope cannot be written as JSON.
        """
        return connection.scalars(self._statement, self._recordset.parameters(envelopes)).all()


def _upsert(table: Table, rows: CTE, key: Sequence[str], version: str, values: Sequence[str]) -> CTE:
    names = [*key, version, *values]
    # By key, so that two batches lock the rows that they share in the same order.
    ordered = select(*(rows.c[name] for name in names)).order_by(*(rows.c[name] for name in key))
    statement = insert(table).from_select([table.c[name] for name in names], ordered, include_defaults=False)
    return (
        statement.on_conflict_do_update(
            index_elements=[table.c[name] for name in key],
            set_={table.c[name]: statement.excluded[name] for name in [version, *values]},
            where=_newer(statement.excluded, table.c, version, values),
        )
        .returning(*(table.c[name] for name in key))
        .cte("written")
    )


def _newer(new: Any, old: Any, version: str, values: Sequence[str]) -> ColumnElement[bool]:
    newer = [old[version].is_(None), new[version] > old[version]]
    if values:
        newer.append(and_(new[version] == old[version], tie(new, values) > tie(old, values)))
    return or_(*newer)
