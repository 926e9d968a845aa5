"""The write mode `Upsert`: the row of a key, if the version is newer."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Table, and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.mapping.columns import Target, may_be_null, table_of
from penstock.consumer.modes.base import SOLE_WRITER, ColumnGroup, TableContext
from penstock.consumer.modes.keyed import Names, bind_keyed, names_of, newest_first, same_key, tie
from penstock.consumer.modes.requirements import Demand
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.modes.tombstones import not_deleted
from penstock.consumer.rows.recordset import ID, Recordset, sources
from penstock.intents import WriteIntent


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

    def group(self, intent: type[WriteIntent]) -> ColumnGroup:
        """Return the columns that this kind writes together.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not go together.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version])
        return ColumnGroup(self.version, frozenset(bound) - {*self.key, self.version})

    def bind(self, intent: type[WriteIntent], beside: TableContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents.

        Raises:
            penstock.consumer.BindingError: they do not go together.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version])
        recordset = Recordset(intent, sources(self.table, bound))
        rows, values = recordset.cte, sorted(set(bound) - {*self.key, self.version})
        newest = newest_first(rows, self.key, self.version, values)
        if beside.mortal:
            newest = newest.where(not_deleted(self.table, rows, self.key, self.version))
        folded = newest.cte("penstock_newest")
        written = _upsert(self.table, folded, self.key, self.version, values)
        landed = select(folded.c[ID]).join(written, same_key(folded, written, self.key))
        demand = Demand(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound], "UPDATE": [self.version, *values], "SELECT": [*bound]},
            key=self.key,
            nulls=may_be_null(intent, bound),
        )
        return SetWrite(recordset, landed=landed, demand=demand)


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
        .cte("penstock_written")
    )


def _newer(new: Any, old: Any, version: str, values: Sequence[str]) -> ColumnElement[bool]:
    newer = [old[version].is_(None), new[version] > old[version]]
    if values:
        newer.append(and_(new[version] == old[version], tie(new, values) > tie(old, values)))
    return or_(*newer)
