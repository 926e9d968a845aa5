"""The inspection: a drain held against the live database, as the role that is going to write.

A binding is checked against the tables that the code declares. Whether the database has them so, and lets the role
write them, only the database knows. Nothing is written and nothing waits: it reads catalogs.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, Engine, Table, text

from penstock.consumer.drain import Drain
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.tombstones import tombstone
from penstock.consumer.schema_check.catalog import read_relation, read_server, tables_of
from penstock.consumer.schema_check.finding import Finding, Severity
from penstock.consumer.schema_check.table_check import schema_drift
from penstock.database.ledger import SCHEMA, ledger, past
from penstock.database.migrate import REVISIONS, compare
from penstock.database.watchdog import Watchdog

SECONDS: Final = 30
"""How long an inspection may take."""

_OLDEST: Final = 140000
_LIMITS = text("SELECT set_config('statement_timeout', '10s', true), set_config('lock_timeout', '1s', true)")


def inspect(engine: Engine, drain: Drain, *, seconds: float = SECONDS) -> list[Finding]:
    """Hold every kind that a drain writes against the database. It needs Alembic, as the extra `cli` brings it.

    Args:
        engine: how the consumer connects, with its role.
        drain: the drain.
        seconds: how long it may take, with connecting.

    Returns:
        What was found, first of the database as a whole; nothing of what agrees.

    Raises:
        penstock.consumer.BindingError: the drain does not agree with itself.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or asked.
    """
    writes = drain.bound()
    reading = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with Watchdog(reading).transaction(seconds) as connection:
        connection.execute(_LIMITS)
        found = [*_about_server(connection), *_about_own_tables(connection, writes)]
        return [*found, *(finding for bound in writes for finding in _about_kind(connection, bound))]


def _about_server(connection: Connection) -> Iterator[Finding]:
    server = read_server(connection)
    if server.version < _OLDEST:
        yield _fault(f"PostgreSQL {server.version // 10000} is too old", f"use {_OLDEST // 10000} or newer")
    if server.standby:
        yield _fault("it is a standby, which takes no writes", "connect to the primary: the writer's address")
    elif server.read_only:
        hint = "take default_transaction_read_only off the role, the database or the server"
        yield _fault("its transactions are read only", hint)


def _about_own_tables(connection: Connection, writes: Sequence[Bound]) -> Iterator[Finding]:
    """Look at the framework's own tables: are they there, up to date, and may the role write them?"""
    relation = read_relation(connection, ledger)
    if relation is None:
        yield _fault("Penstock's own tables are not there", "penstock db upgrade")
        return
    if relation.usable:
        yield from _about_revisions(connection)
    buries = any(bound.deletes for bound in writes)
    # Rotation makes the one generation the other: the role must be able to do the same with both.
    for table in (ledger, past, tombstone) if buries else (ledger, past):
        yield from (replace(finding, field=None) for finding in schema_drift(connection, _everything(table)))


def _about_revisions(connection: Connection) -> Iterator[Finding]:
    if "SELECT" not in tables_of(connection, SCHEMA).get(REVISIONS, ()):
        problem = f"the role may not read {SCHEMA}.{REVISIONS}: whether migrations are missing cannot be told"
        yield Finding(severity=Severity.NOTE, problem=problem)
        return
    missing, newer = compare(connection)
    if missing:
        yield _fault(f"Penstock's own migrations {', '.join(missing)} are not applied", "penstock db upgrade")
    if newer:
        yield Finding(
            severity=Severity.WARNING,
            problem=f"Penstock's own tables are at {', '.join(newer)}, which only a newer version knows",
            hint="use the version that upgraded them, or a newer one",
        )


def _everything(table: Table) -> Requirements:
    """Require a table of the framework, as it is declared."""
    columns = list(table.c.keys())
    return Requirements(
        table=table,
        fields={column: column for column in columns},
        privileges={"SELECT": columns, "INSERT": columns, "UPDATE": columns},
        key=tuple(column.key for column in table.primary_key),
    )


def _about_kind(connection: Connection, bound: Bound) -> Iterator[Finding]:
    requirements = bound.write.requirements
    if requirements is None:
        problem = "written by a function of the service, of which nothing can be checked"
        yield Finding(severity=Severity.NOTE, problem=problem, kind=bound.kind)
        return
    yield from (replace(finding, kind=bound.kind) for finding in schema_drift(connection, requirements))


def _fault(problem: str, hint: str) -> Finding:
    return Finding(severity=Severity.FAULT, problem=problem, hint=hint)
