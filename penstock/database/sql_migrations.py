"""A service's migrations in plain SQL: files `NNNN_name.sql` in a folder, each applied once, in their order.

A file is applied in a transaction of its own, together with its row in the table of applied files. A file whose
first line is `-- penstock: no transaction` holds one statement that Postgres runs outside of transactions, such as
CREATE INDEX CONCURRENTLY. Its row is there before the statement runs, so that two runs never execute it at once.
Nothing relies on a session: a pooler may be in between.
"""

import hashlib
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from psycopg.pq import TransactionStatus
from sqlalchemy import Column, Connection, DateTime, Engine, MetaData, Table, Text, func
from sqlalchemy.exc import DBAPIError, OperationalError

TABLE: Final = "sql_migrations"
"""The table of the applied files, in the service's schema."""

_FILE: Final = re.compile(r"(?P<number>[0-9]{4})_[A-Za-z0-9_-]+\.sql")
_OUTSIDE: Final = "-- penstock: no transaction"

Transaction = Callable[[], AbstractContextManager[tuple[Connection, Table]]]
"""Begins a transaction that no other run is in, and gives the connection and the table of applied files."""


class MigrationRefused(RuntimeError):
    """Migrations and database do not go together; the message says what to do."""


class MigrationFailed(MigrationRefused):
    """Postgres has refused the SQL of a file; the message names the file."""


@dataclass(frozen=True, slots=True)
class Script:
    """A file.

    Attributes:
        file: its path.
        sql: its content.
        checksum: the SHA-256 of the content, with line ends as on Unix.
        transactional: whether it is applied in a transaction.
    """

    file: Path
    sql: str
    checksum: str
    transactional: bool

    @property
    def name(self) -> str:
        """Its name without `.sql`."""
        return self.file.stem


def table_of_applied(schema: str) -> Table:
    """Return the table of the applied files; one that is being applied outside of a transaction has no time."""
    columns = (
        Column("name", Text, primary_key=True),
        Column("checksum", Text, nullable=False),
        Column("applied_at", DateTime(timezone=True)),
    )
    return Table(TABLE, MetaData(schema=schema), *columns)


def find_scripts(folder: Path) -> list[Script]:
    """Return the migrations in plain SQL in a folder, in their order; none if the folder has other migrations.

    Raises:
        MigrationRefused: a file has another name, two have one number, or there are Alembic migrations too.
    """
    files = sorted(folder.glob("*.sql"))
    if files and (folder / "versions").is_dir():
        raise MigrationRefused(
            f"{folder} has migrations in SQL and of Alembic (versions/): keep those of one kind"
        )
    numbers: dict[str, Path] = {}
    for file in files:
        named = _FILE.fullmatch(file.name)
        if named is None:
            raise MigrationRefused(f"{file} has no name like 0001_create_orders.sql: rename it")
        if other := numbers.get(named["number"]):
            raise MigrationRefused(f"{file} and {other.name} have one number: give one of them the next")
        numbers[named["number"]] = file
    return [_read(file) for file in files]


def apply_scripts(scripts: Sequence[Script], transaction: Transaction, engine: Engine) -> Iterator[str]:
    """Apply each file that is not applied yet, and yield its name.

    Args:
        scripts: all files, in their order.
        transaction: begins a transaction that no other run is in.
        engine: for statements outside of transactions.

    Raises:
        MigrationRefused: an applied file has changed or is missing, a new one is before an applied one, or one
            failed.
        sqlalchemy.exc.OperationalError: the database cannot be reached, or a statement ran out of time.
    """
    with transaction() as (connection, table):
        table.create(connection, checkfirst=True)
        _check(scripts, _applied(connection, table))
    for script in scripts:
        if (_apply if script.transactional else _apply_outside)(script, transaction, engine):
            yield script.name


def _read(file: Path) -> Script:
    sql = file.read_text(encoding="utf-8").replace("\r\n", "\n")
    first = sql.partition("\n")[0].strip().lower()
    return Script(file, sql, hashlib.sha256(sql.encode()).hexdigest(), first != _OUTSIDE)


def _check(scripts: Sequence[Script], applied: Mapping[str, tuple[str, bool]]) -> None:
    """Compare the files with the applied ones: the checksum of each, and whether it was finished."""
    known = {script.name: script for script in scripts}
    if unknown := sorted(applied.keys() - known.keys()):
        raise MigrationRefused(
            f"the database has the migration {', '.join(unknown)}, which there is no file of: newer code has "
            "upgraded it. Deploy that code or newer"
        )
    last = max(applied, default="")
    for name, script in known.items():
        if name not in applied and name < last:
            raise MigrationRefused(f"{script.file} is before {last}, which is applied: give it the next number")
        if name in applied and applied[name][0] != script.checksum:
            raise MigrationRefused(
                f"{script.file} has changed since it was applied: restore it, and write the change to a new file"
            )
        if name in applied and not applied[name][1]:
            raise _unfinished(script)


def _apply(script: Script, transaction: Transaction, _engine: Engine) -> bool:
    """Apply a file unless another run has; return whether it was applied here."""
    with transaction() as (connection, table):
        if script.name in _applied(connection, table):
            return False
        with _explained(script):
            _execute(connection, script.sql)
        if connection.connection.driver_connection.info.transaction_status != TransactionStatus.INTRANS:  # type: ignore[union-attr]
            raise MigrationRefused(
                f"{script.file} ends its transaction: take COMMIT and ROLLBACK out, and undo what it has done"
            )
        connection.execute(table.insert().values(**_row(script), applied_at=func.now()))
    return True


def _apply_outside(script: Script, transaction: Transaction, engine: Engine) -> bool:
    """Apply a file outside of a transaction; another run finds its row meanwhile, and stops."""
    with transaction() as (connection, table):
        if found := _applied(connection, table).get(script.name):
            if not found[1]:
                raise _unfinished(script)
            return False
        connection.execute(table.insert().values(**_row(script)))
    try:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as alone, _explained(script):
            _execute(alone, script.sql)
    except (MigrationFailed, OperationalError) as error:
        if not getattr(error, "connection_invalidated", False):
            # Postgres has ended the statement. After a lost connection it may still be running.
            with transaction() as (connection, table):
                connection.execute(table.delete().where(table.c.name == script.name))
        raise
    with transaction() as (connection, table):
        connection.execute(table.update().where(table.c.name == script.name).values(applied_at=func.now()))
    return True


def _execute(connection: Connection, sql: str) -> None:
    """Execute SQL as it stands: a % is no placeholder, and several statements are allowed."""
    connection.execution_options(no_parameters=True).exec_driver_sql(sql)


def _applied(connection: Connection, table: Table) -> dict[str, tuple[str, bool]]:
    return {row.name: (row.checksum, row.applied_at is not None) for row in connection.execute(table.select())}


def _row(script: Script) -> dict[str, str]:
    return {"name": script.name, "checksum": script.checksum}


def _unfinished(script: Script) -> MigrationRefused:
    return MigrationRefused(
        f"{script.file} is being applied by another run, or one was interrupted. If no run is left, see whether "
        f"its statement has taken effect, and delete its row from the table {TABLE} to run it again"
    )


@contextmanager
def _explained(script: Script) -> Iterator[None]:
    """Name the file in an error of its SQL. The lines after the first can hold values of rows."""
    try:
        yield
    except OperationalError:
        raise
    except DBAPIError as error:
        first = str(error.orig).strip().partition("\n")[0]
        outcome = "failed and was rolled back" if script.transactional else "failed"
        raise MigrationFailed(f"{script.file} {outcome}: {first}") from error
