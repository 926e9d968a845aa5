"""The write mode `Upsert`: the row of a key, if the version is newer."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import CTE, ColumnElement, Table, and_, exists, literal_column, not_, or_, select
from sqlalchemy.dialects.postgresql import insert

from penstock.consumer.mapping.columns import ID, TableLike, binding_error, nullable_columns, table_of
from penstock.consumer.mapping.field_types import contains_set
from penstock.consumer.modes.base import SOLE_WRITER, ColumnGroup, WriteContext
from penstock.consumer.modes.canonical import canonical_errors
from penstock.consumer.modes.keyed import (
    ColumnKeys,
    as_tuple,
    bind_keyed,
    newest_per_key,
    same_key,
    tie_breaker,
    tie_broken_by,
)
from penstock.consumer.modes.ledger_claims import outcome_by_id
from penstock.consumer.modes.live_table import LiveTable
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.statements import SetWrite, Writing
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

    def group(self, intent: type[WriteIntent], *, partial: bool = False) -> ColumnGroup:
        """Return the columns that this kind writes together.

        Args:
            intent: the class.
            partial: whether the kind has other writes, which may have the columns of some of its fields.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not agree.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version], partial=partial)
        return ColumnGroup(self.version, frozenset(bound) - {*self.key, self.version})

    def bind(self, intent: type[WriteIntent], context: WriteContext = SOLE_WRITER, /) -> SetWrite:
        """Check the mode against a class of intents, and build its statements.

        Raises:
            penstock.consumer.BindingError: the intent and the table do not agree.
        """
        bound = bind_keyed(intent, self.table, self.key, self._columns, [self.version], partial=context.partial)
        if errors := [*self._errors(intent, bound, context)]:
            raise binding_error(intent, self.table, errors)
        recordset = Recordset(intent, sources(self.table, bound), context.digested)
        values = sorted(set(bound) - {*self.key, self.version})
        requirements = Requirements(
            table=self.table,
            fields=bound,
            privileges={"INSERT": [*bound], "UPDATE": [self.version, *values], "SELECT": [*bound]},
            key=self.key,
            nulls=nullable_columns(intent, bound),
            live=LiveTable(
                self.table,
                self.key,
                versions=[self.version],
                values=values,
                without_default=context.without_default,
                tombstones=context.deletable,
            ),
        )

        def write(rows: CTE) -> Writing:
            return Writing(outcome=self._write(rows, values, deletable=context.deletable))

        return SetWrite(recordset, write, requirements=requirements)

    def _write(self, rows: CTE, values: Sequence[str], *, deletable: bool) -> ColumnElement[Any]:
        """Write the newest row of each key; return the outcome of each intent."""
        ties = tie_broken_by(self.table, self.version, values)
        newest = newest_per_key(rows, self.key, self.version, ties)
        if deletable:
            newest = newest.where(not_deleted(self.table, rows, self.key, self.version))
        folded = newest.cte("penstock_newest")
        written = _upsert(self.table, folded, self.key, self.version, values, ties)
        # A trigger may have changed the key: then the row that was written belongs to no intent.
        landed = select(folded.c[ID]).select_from(written.outerjoin(folded, same_key(folded, written, self.key)))
        # Not `SELECT *`, for which the role would need to read every column of the table.
        kept = exists(literal_column("1")).where(
            same_key(self.table, folded, self.key), not_(_is_newer(folded.c, self.table.c, self.version, ties))
        )
        # A trigger may have left the row out: Postgres accepted it, and nothing newer was there.
        accepted = select(folded.c[ID]).where(not_(kept))
        return outcome_by_id(rows, landed, accepted)

    def _errors(self, intent: type[WriteIntent], bound: Mapping[str, str], context: WriteContext) -> Iterator[str]:
        if context.deletable:
            yield from canonical_errors(self.table, self.key)
        for column, field in bound.items():
            if contains_set(intent, field):
                yield (
                    f"field {field!r}, column {column!r}: the order of a set differs between processes, but the "
                    "values decide between equal versions: declare the field as a list, or sort it in a serializer"
                )


def _upsert(  # noqa: PLR0917
    table: Table, rows: CTE, key: Sequence[str], version: str, values: Sequence[str], ties: Sequence[str]
) -> CTE:
    names = [*key, version, *values]
    # By key, so that two batches lock the rows that they share in the same order.
    ordered = select(*(rows.c[name] for name in names)).order_by(*(rows.c[name] for name in key))
    statement = insert(table).from_select([table.c[name] for name in names], ordered, include_defaults=False)
    return (
        statement.on_conflict_do_update(
            index_elements=[table.c[name] for name in key],
            set_={table.c[name]: statement.excluded[name] for name in [version, *values]},
            where=_is_newer(statement.excluded, table.c, version, ties),
        )
        .returning(*(table.c[name] for name in key))
        .cte("penstock_written")
    )


def _is_newer(new: Any, old: Any, version: str, ties: Sequence[str]) -> ColumnElement[bool]:
    newer = [old[version].is_(None), new[version] > old[version]]
    if ties:
        newer.append(and_(new[version] == old[version], tie_breaker(new, ties) > tie_breaker(old, ties)))
    return or_(*newer)
