"""The rows of all tables of a test's database: read, and put back as they were."""

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from graphlib import CycleError, TopologicalSorter
from types import TracebackType
from typing import Final, Self

import psycopg
from psycopg.rows import class_row
from psycopg.sql import SQL, Composed, Identifier

from penstock.database.ledger import SCHEMA
from penstock.database.migrate import REVISIONS

Rows = Mapping[str, Counter[str]]
"""The rows of each table as JSON, with the number of times that each occurs."""

# Without the tables of extensions, and without partitions: the table that they are a part of stands for them.
_TABLES: Final = """
SELECT c.oid, n.nspname AS schema, c.relname AS name,
       EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS has_triggers,
       ARRAY(SELECT a.attname::text FROM pg_attribute a
              WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
              ORDER BY a.attnum) AS columns,
       ARRAY(SELECT k.confrelid FROM pg_constraint k
              WHERE k.conrelid = c.oid AND k.contype = 'f' AND k.confrelid <> c.oid) AS parents
  FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
 WHERE c.relkind IN ('r', 'p') AND NOT c.relispartition AND c.relname <> %s
   AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'
   AND NOT EXISTS (SELECT FROM pg_depend d
                    WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
"""


@dataclass(frozen=True, slots=True)
class _Table:
    oid: int
    schema: str
    name: str
    has_triggers: bool
    columns: list[str]
    parents: list[int]

    @property
    def full_name(self) -> str:
        """The name as SQLAlchemy's `Table.fullname` has it: with the schema, unless that is the default one."""
        return self.name if self.schema == "public" else f"{self.schema}.{self.name}"

    @property
    def identifier(self) -> Identifier:
        return Identifier(self.schema, self.name)


class TableState:
    """The tables of a database, with the rows that they had when this was made. A context manager.

    Rows that were there are put back with their own keys; sequences go on. A trigger does not fire for that.
    """

    def __init__(self, database_url: str) -> None:
        """Connect, and keep a copy of all rows."""
        self._connection = psycopg.connect(database_url, autocommit=True)
        with self._connection.cursor(row_factory=class_row(_Table)) as cursor:
            self._tables = _parents_first(cursor.execute(_TABLES, [REVISIONS]).fetchall())
        self._kept = [table for table in self._tables if self._keep(table)]

    def __enter__(self) -> Self:
        """Return this."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Put the rows back, and disconnect."""
        with self._connection:
            self.restore()

    def restore(self) -> None:
        """Put all rows back that were there at first, and delete all others."""
        with self._connection.transaction():
            for table in reversed(self._tables):
                self._set_triggers(table, SQL("DISABLE"))
                self._execute("DELETE FROM {}", table.identifier)
            for table in self._kept:
                columns = SQL(", ").join(map(Identifier, table.columns))
                statement = "INSERT INTO {} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM {}"
                self._execute(statement, table.identifier, columns, columns, _copy_of(table))
            self._execute("SET CONSTRAINTS ALL IMMEDIATE")
            for table in self._tables:
                self._set_triggers(table, SQL("ENABLE"))

    def rows(self, ignored: Collection[tuple[str, str]] = ()) -> Rows:
        """Read the rows of the service's tables.

        Args:
            ignored: columns that are left out, each as the full name of its table and its own name.
        """
        return {t.full_name: self._rows_of(t, ignored) for t in self._tables if t.schema != SCHEMA}

    def count_written(self) -> int:
        """Return how many intents have been written, or were stale."""
        counted = self._execute("SELECT count(*) FROM penstock.ledger WHERE outcome IN ('applied', 'stale')")
        return int((counted.fetchone() or (0,))[0])

    def _keep(self, table: _Table) -> bool:
        """Copy the rows of a table to a temporary one; return whether there are any."""
        copied = self._execute("CREATE TEMPORARY TABLE {} AS TABLE {}", _copy_of(table), table.identifier)
        return copied.rowcount > 0

    def _rows_of(self, table: _Table, ignored: Collection[tuple[str, str]]) -> Counter[str]:
        names = [column for name, column in ignored if name == table.full_name]
        found = self._execute(
            "SELECT (to_jsonb(t) - {}::text[])::text FROM {} AS t", SQL("%s"), table.identifier, values=[names]
        )
        return Counter(str(row[0]) for row in found)

    def _set_triggers(self, table: _Table, word: SQL) -> None:
        if table.has_triggers:
            self._execute("ALTER TABLE {} {} TRIGGER USER", table.identifier, word)

    def _execute(
        self, statement: str, *parts: SQL | Identifier | Composed, values: list[list[str]] | None = None
    ) -> psycopg.Cursor[tuple[int | str, ...]]:
        return self._connection.execute(SQL(statement).format(*parts), values)


def _copy_of(table: _Table) -> Identifier:
    return Identifier("pg_temp", f"copy_{table.oid}")


def _parents_first(tables: list[_Table]) -> list[_Table]:
    """Sort tables so that a row's foreign keys find what they refer to; tables in a circle stay as they are."""
    by_oid = {table.oid: table for table in tables}
    graph = {t.oid: [parent for parent in t.parents if parent in by_oid] for t in tables}
    try:
        return [by_oid[oid] for oid in TopologicalSorter(graph).static_order()]
    except CycleError:
        return tables
