"""The write mode `Upsert`: the row of a key, if the version is newer."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Table, and_, or_, select
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.mapping.columns import ID, TableLike, nullable_columns, table_of
from penstock.consumer.modes.base import SOLE_WRITER, ColumnGroup, TableContext
from penstock.consumer.modes.keyed import ColumnKeys, as_tuple, bind_keyed, newest_per_key, same_key, tie_breaker
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.modes.tombstones import not_deleted
from penstock.consumer.rows.recordset import Recordset, sources
from penstock.intents import WriteIntent


class Upsert:
    """Write each intent to the row of its key: insert it if missing, update it if the intent's version is newer.

    Only the columns that the intent carries are written. Kinds that carry other columns of the same rows each have
    their own version, in a column for it. Among equal versions the values themselves decide.
    """

    def __init__(
        self, table: TableLike, *, key: ColumnKeys, version: str, columns: Mapping[str, str] | None = None
    ) -> None:
        """Name the table, its key and its version.

        Args:
            table: the table, or a declarative class.
            key: the column or columns that identify a row; the table must make them unique.
            version: the column of the version: a time, a number or a text that grows with each change. It may
                get `intent_time`.
            columns: field by column, where the names differ.

        Raises:
            penstock.consumer.BindingError: `table` is not a table.
        """
        self.table = table_of(table)
        self.key = as_tuple(key)
        self.version = version
        self._columns = columns

    def group(self, intent: type[WriteIntent]) -> ColumnGroup:
        """Return the columns that this kind writes together.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not agree.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version])
        return ColumnGroup(self.version, frozenset(bound) - {*self.key, self.version})

    def bind(self, intent: type[WriteIntent], context: TableContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not agree.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version])
        recordset = Recordset(intent, sources(self.table, bound))
        rows, values = recordset.cte, sorted(set(bound) - {*self.key, self.version})
        newest = newest_per_key(rows, self.key, self.version, values)
        if context.deletable:
            newest = newest.where(not_deleted(self.table, rows, self.key, self.version))
        folded = newest.cte("penstock_newest")
        written = _upsert(self.table, folded, self.key, self.version, values)
        applied = select(folded.c[ID]).join(written, same_key(folded, written, self.key))
        requirements = Requirements(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound], "UPDATE": [self.version, *values], "SELECT": [*bound]},
            key=self.key,
            nulls=nullable_columns(intent, bound),
            versions=(self.version,),
        )
        return SetWrite(recordset, applied=applied, requirements=requirements)


def _upsert(table: Table, rows: CTE, key: Sequence[str], version: str, values: Sequence[str]) -> CTE:
    names = [*key, version, *values]
    # By key, so that two batches lock the rows that they share in the same order.
    ordered = select(*(rows.c[name] for name in names)).order_by(*(rows.c[name] for name in key))
    statement = insert(table).from_select([table.c[name] for name in names], ordered, include_defaults=False)
    return (
        statement.on_conflict_do_update(
            index_elements=[table.c[name] for name in key],
            set_={table.c[name]: statement.excluded[name] for name in [version, *values]},
            where=_is_newer(statement.excluded, table.c, version, values),
        )
        .returning(*(table.c[name] for name in key))
        .cte("penstock_written")
    )


def _is_newer(new: Any, old: Any, version: str, values: Sequence[str]) -> ColumnElement[bool]:
    newer = [old[version].is_(None), new[version] > old[version]]
    if values:
        newer.append(and_(new[version] == old[version], tie_breaker(new, values) > tie_breaker(old, values)))
    return or_(*newer)
