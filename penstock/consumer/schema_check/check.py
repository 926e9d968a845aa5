"""Check the schema: a drain's writes against the live database, as the role that will write.

A binding is checked against the tables that the code declares. This check compares those tables, and the role's
privileges on them, with the database. It reads catalogs, and has Postgres plan each statement: it writes
nothing, and gives up at once where a table is locked.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Final

from sqlalchemy import Connection, Engine, Table, text
from sqlalchemy.exc import DBAPIError

from penstock.consumer.drain import Drain
from penstock.consumer.modes.base import Bound
from penstock.consumer.modes.requirements import Requirements
from penstock.consumer.modes.tombstones import tombstone
from penstock.consumer.schema_check.catalog import read_relation, read_server, table_privileges
from penstock.consumer.schema_check.finding import Finding, Severity, fault, warning
from penstock.consumer.schema_check.key_check import equality_drift
from penstock.consumer.schema_check.pooler_check import pooler_findings, refused_transactions
from penstock.consumer.schema_check.server_check import server_findings
from penstock.consumer.schema_check.statement_check import statement_findings
from penstock.consumer.schema_check.table_check import schema_drift
from penstock.database.holds import held, hold
from penstock.database.ledger import SCHEMA, ledger, past
from penstock.database.migrate import REVISIONS, compare
from penstock.database.watchdog import Watchdog

TIMEOUT_SECONDS: Final = 30
"""How long a check may take by default."""

_UPGRADE: Final = "run `penstock db upgrade`"
_LIMITS = text(
    "SELECT pg_catalog.set_config('statement_timeout', '10s', true),"
    " pg_catalog.set_config('lock_timeout', '1s', true)"
)


def check_schema(engine: Engine, drain: Drain, *, seconds: float = TIMEOUT_SECONDS) -> list[Finding]:
    """Check every kind that a drain writes against the database. It needs Alembic, which the extra `cli` installs.

    Args:
        engine: an engine that connects with the consumer's role.
        drain: the drain.
        seconds: how long the check may take, including the time to connect.

    Returns:
        The findings: first those of the database as a whole, then those of each kind.

    Raises:
        penstock.consumer.BindingError: the drain's bindings contradict each other.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or read.
    """
    writes = drain.bound()
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    try:
        with Watchdog(snapshot).rolled_back(seconds) as connection:
            connection.execute(_LIMITS)
            found = [
                *server_findings(connection, read_server(connection)),
                *_check_own_tables(connection, writes),
            ]
            found += _check_kinds(connection, writes, plan=not _faulty(found))
            return [*pooler_findings(connection), *found]
    except DBAPIError as error:
        if refused := refused_transactions(error):
            return [refused]
        raise


def _check_kinds(connection: Connection, writes: Sequence[Bound], *, plan: bool) -> Iterator[Finding]:
    for bound in writes:
        of_kind = [*_check_kind(connection, bound)]
        yield from of_kind
        if plan and not _faulty(of_kind):
            for part in bound.parts:
                yield from (replace(one, kind=bound.kind) for one in statement_findings(connection, part.write))


def _faulty(findings: Sequence[Finding]) -> bool:
    return any(finding.severity is Severity.FAULT for finding in findings)


def _check_own_tables(connection: Connection, writes: Sequence[Bound]) -> Iterator[Finding]:
    """Check the framework's own tables: their presence, their version, and the role's privileges on them."""
    yield from migration_findings(connection)
    if read_relation(connection, ledger) is None:
        return
    deletes = any(part.deletes for bound in writes for part in bound.parts)
    # A rotation swaps the two generations of the ledger: the role needs the same privileges on both.
    for table in (ledger, past, hold, held, *([tombstone] if deletes else [])):
        yield from (replace(finding, field=None) for finding in schema_drift(connection, _all_columns(table)))


def migration_findings(connection: Connection) -> Iterator[Finding]:
    """Yield what is wrong with the migrations of the framework's own tables."""
    relation = read_relation(connection, ledger)
    if relation is None:
        yield fault("Penstock's own tables do not exist", _UPGRADE)
    elif relation.schema_usable:
        yield from _check_revisions(connection)


def _check_revisions(connection: Connection) -> Iterator[Finding]:
    if "SELECT" not in table_privileges(connection, SCHEMA).get(REVISIONS, ()):
        problem = f"missing migrations cannot be detected, because the role may not read {SCHEMA}.{REVISIONS}"
        yield Finding(severity=Severity.NOTE, problem=problem)
        return
    missing, newer = compare(connection)
    if missing:
        yield fault(f"Penstock's own migrations {', '.join(missing)} are not applied", _UPGRADE)
    if newer:
        yield warning(
            f"Penstock's own tables are at {', '.join(newer)}, which this version does not know",
            "use the version of Penstock that upgraded the tables, or a newer one",
        )


def _all_columns(table: Table) -> Requirements:
    """Require a table of the framework with all its declared columns."""
    columns = list(table.c.keys())
    return Requirements(
        table=table,
        fields={column: column for column in columns},
        privileges={"SELECT": columns, "INSERT": columns, "UPDATE": columns},
        key=tuple(column.key for column in table.primary_key),
    )


def _check_kind(connection: Connection, bound: Bound) -> Iterator[Finding]:
    for requirements in bound.requirements:
        yield from (replace(finding, kind=bound.kind) for finding in _check_table(connection, requirements))
    if not bound.write.pipelined:
        problem = "the kind is written by a function of the service, which cannot be checked"
        yield Finding(severity=Severity.NOTE, problem=problem, kind=bound.kind)


def _check_table(connection: Connection, requirements: Requirements) -> Iterator[Finding]:
    drift = [*schema_drift(connection, requirements)]
    # A type that does not fit is found by both.
    known = {finding.column for finding in drift if finding.severity is Severity.FAULT}
    more = (finding for finding in equality_drift(connection, requirements) if finding.column not in known)
    yield from (*drift, *more)
