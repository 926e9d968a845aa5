"""What is not the fault of an intent: constraints on what it does not carry, and the kind of a parent that waits.

A serial that is behind its table, a column that was added with NOT NULL or CHECK and without a default: the
intents go back until the schema is mended. If the table has a trigger that runs before an insert, the trigger may
make such a column of the intent's values: then the intent is at fault.
"""

from collections.abc import Mapping, Sequence, Set

from sqlalchemy import Connection, Table, text

from penstock.consumer.batch import Item
from penstock.consumer.faults.tree import Cause, DataFault, Fault, NotYetFault, SchemaFault
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.pipeline.bisect import fails_without_things

_ABOUT_COLUMNS = {"23502", "23505", "23514"}
_NO_PARENT = "23503"

_CONSTRAINT = text("""
WITH one AS (SELECT pg_catalog.to_regclass(:table)::oid AS relid),
relation AS (
  SELECT relid FROM one UNION SELECT p.relid::oid FROM one, pg_catalog.pg_partition_tree(one.relid::regclass) p
),
named AS (
  SELECT c.conrelid AS relid, c.conkey AS columns
    FROM pg_catalog.pg_constraint c JOIN relation ON relation.relid = c.conrelid
   WHERE c.contype = 'c' AND c.conname = :name
  UNION ALL
  SELECT x.indrelid, x.indkey::int2[]
    FROM pg_catalog.pg_index x JOIN relation ON relation.relid = x.indrelid
    JOIN pg_catalog.pg_class i ON i.oid = x.indexrelid
   WHERE i.relname = :name
)
SELECT coalesce(pg_catalog.array_agg(a.attname::text) FILTER (WHERE a.attname IS NOT NULL), '{}')
  FROM named JOIN pg_catalog.pg_class t ON t.oid = named.relid
  LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = named.relid AND a.attnum = ANY (named.columns)
 WHERE t.relname = :owner AND NOT coalesce(0 = ANY (named.columns), false)
 GROUP BY named.relid
""")
"""The columns of a constraint of a table, or of one of its partitions."""

_MADE_BY_THE_DATABASE = text("""
SELECT a.attname::text FROM pg_catalog.pg_attribute a
 WHERE a.attrelid = pg_catalog.to_regclass(:table)
   AND (a.attgenerated <> '' OR EXISTS (
     SELECT FROM pg_catalog.pg_trigger t
      WHERE t.tgrelid = a.attrelid AND NOT t.tgisinternal AND t.tgtype & 7 = 7))
""")
"""The columns that may depend on those that the intent carries. Bits 1, 2, 4: FOR EACH ROW, BEFORE, INSERT."""


def excuse_uncarried(connection: Connection, bound: Bound, faults: Mapping[Item, Fault]) -> dict[Item, Fault]:
    """Return the faults. A violated constraint on columns that the kind does not carry is the schema's fault."""
    causes = {fault.cause for fault in faults.values() if _is_about_columns(fault)}
    tables = [_Carried(connection, table, bound.requirements) for table in bound.tables] if causes else []
    excused = {cause for cause in causes if any(table.lacks(cause) for table in tables)}
    return {
        item: SchemaFault(fault.cause) if _is_about_columns(fault) and fault.cause in excused else fault
        for item, fault in faults.items()
    }


class _Carried:
    """The columns of a live table that a kind carries."""

    def __init__(self, connection: Connection, table: Table, requirements: Sequence[Requirements]) -> None:
        self._connection = connection
        self._table = table
        self._columns = {column for one in requirements if one.table is table for column in _carried(one)}

    def lacks(self, cause: Cause) -> bool:
        """Return whether the violated constraint is one of this table, on none of the columns that are carried.

        Those that may be made of them count, too.
        """
        found = self._constrained(cause)
        return found is not None and not found & self._columns and not found & self._made()

    def _constrained(self, cause: Cause) -> Set[str] | None:
        """Return the columns of the violated constraint; None if it is not one of this table."""
        if cause.sqlstate == "23502":
            return {cause.column or ""} if cause.table == self._table.name else None
        named = {"table": self._quoted, "owner": cause.table, "name": cause.constraint}
        columns = self._connection.scalars(_CONSTRAINT, named).first()
        return None if columns is None else {*columns}

    def _made(self) -> Set[str]:
        return {*self._connection.scalars(_MADE_BY_THE_DATABASE, {"table": self._quoted})}

    @property
    def _quoted(self) -> str:
        return self._connection.dialect.identifier_preparer.format_table(self._table)


def excuse_orphans(
    connection: Connection, writes: Sequence[Bound], faults: Mapping[Item, Fault]
) -> dict[Item, Fault]:
    """Return the faults, in which an intent whose parent's kind waits uses up no attempt."""
    orphans = [item for item, fault in faults.items() if is_orphan(fault)]
    if not orphans:
        return dict(faults)
    waiting_kinds = {
        item.require_envelope().type for item, fault in faults.items() if not isinstance(fault, DataFault)
    }
    by_kind = {bound.kind: bound for bound in writes}
    possible = _parents(by_kind, orphans)
    parents: set[Table] = set()
    for bound in writes:
        if not bound.tables & possible:
            continue
        if bound.kind in waiting_kinds or _cannot_be_written(connection, bound):
            parents |= bound.tables
    return {
        item: SchemaFault(fault.cause) if is_orphan(fault) and _parents(by_kind, [item]) & parents else fault
        for item, fault in faults.items()
    }


def _parents(by_kind: Mapping[str, Bound], orphans: Sequence[Item]) -> set[Table]:
    tables = {table for item in orphans for table in by_kind[item.require_envelope().type].tables}
    return {key.column.table for table in tables for key in table.foreign_keys}


def _cannot_be_written(connection: Connection, bound: Bound) -> bool:
    def write(_nothing: Sequence[object]) -> None:
        bound.write.apply(connection, ())

    return fails_without_things(connection, write)


def _is_about_columns(fault: Fault) -> bool:
    return isinstance(fault, DataFault) and fault.cause.sqlstate in _ABOUT_COLUMNS


def is_orphan(fault: Fault) -> bool:
    """Return whether the row that an intent refers to does not exist yet."""
    return isinstance(fault, NotYetFault) and fault.cause.sqlstate == _NO_PARENT


def _carried(requirements: Requirements) -> set[str]:
    columns = requirements.table.c
    return {columns[key].name for key in (*requirements.fields, *requirements.key)}
