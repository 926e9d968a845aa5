"""Migrations: the framework's own tables with Alembic, then the service's, with Alembic or in plain SQL.

Each set of Alembic runs in one transaction under an advisory lock, so that two deployments at once do not race. So
does each file of plain SQL. The framework's indexes of large tables are built outside of transactions.
"""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, Table, text

from penstock.database.engine import make_engine
from penstock.database.indexes import build_missing
from penstock.database.ledger import SCHEMA
from penstock.database.sql_migrations import (
    TABLE,
    MigrationRefused,
    Script,
    apply_scripts,
    find_scripts,
    table_of_applied,
)
from penstock.database.watchdog import Watchdog

_FRAMEWORK = Path(__file__).parent / "migrations"
REVISIONS = "alembic_version"
"""The table of the applied revisions, in either schema."""

_NO_LIMIT_SECONDS = float("inf")
_TO_CANCEL_SECONDS = 1.0
"""The server cancels a statement this long before the connection is cut off, so that its lock is free again."""
_LOCK = 0x70656E73746F636B  # "penstock": the key of the advisory lock


class UnknownRevision(MigrationRefused):
    """The database is at a revision that these migrations do not have."""


def upgrade(database_url: str, service_migrations: Path | None = None, seconds: float | None = None) -> list[str]:
    """Apply every migration that is not applied yet.

    Args:
        database_url: a `postgresql://` URL, or another form of an address, with a role that may create tables.
        service_migrations: the folder of the service's migrations, with a folder `versions` of Alembic, or with
            files `NNNN_name.sql`; None if there is none.
        seconds: how long it may take; by default there is no limit. What runs out of time is rolled back.

    Returns:
        The applied revisions in order, such as `penstock 0001` or `service 0001`.

    Raises:
        UnknownRevision: newer code has upgraded the database.
        penstock.database.sql_migrations.MigrationRefused: a file of plain SQL has changed, is out of order, or
            failed.
        penstock.settings.SettingsError: the URL is not valid.
        penstock.settings.SecretUnavailable: the secret that the URL names cannot be read.
        sqlalchemy.exc.SQLAlchemyError: the database refused a statement; nothing of that set was applied.
    """
    end = None if seconds is None else time.monotonic() + seconds
    scripts = find_scripts(service_migrations) if service_migrations is not None else []
    engine = make_engine(database_url)
    database = Watchdog(engine)
    applied: list[str] = []
    try:
        with _locked(database, end) as connection:
            connection.execute(text(f"CREATE SCHEMA IF NOT EXISTS {SCHEMA}"))
            applied += [f"penstock {name}" for name in _run(connection, _FRAMEWORK, SCHEMA, _NEWER_PENSTOCK)]
        build_missing(engine)
        if service_migrations is not None:
            applied += [
                f"service {name}" for name in _run_service(database, engine, service_migrations, scripts, end)
            ]
    finally:
        engine.dispose()
    return applied


def _run_service(
    database: Watchdog, engine: Engine, folder: Path, scripts: Sequence[Script], end: float | None
) -> Iterator[str]:
    if scripts:
        yield from apply_scripts(scripts, lambda: _in_service_schema(database, end), engine)
    else:
        with _locked(database, end) as connection:
            yield from _run(connection, folder, _leave_own_schema(connection, REVISIONS), _NEWER_SERVICE)


@contextmanager
def _in_service_schema(database: Watchdog, end: float | None) -> Iterator[tuple[Connection, Table]]:
    with _locked(database, end) as connection:
        yield connection, table_of_applied(_leave_own_schema(connection, TABLE))


@contextmanager
def _locked(database: Watchdog, end: float | None) -> Iterator[Connection]:
    """Begin a transaction that holds the lock. Out of time, its statement is cancelled, or it is cut off."""
    left = _NO_LIMIT_SECONDS if end is None else end - time.monotonic()
    with database.transaction(left) as connection:
        if end is not None:
            limit = text("SELECT pg_catalog.set_config('statement_timeout', :milliseconds, true)")
            connection.execute(limit, {"milliseconds": str(max(1, int((left - _TO_CANCEL_SECONDS) * 1000)))})
        connection.execute(text("SELECT pg_catalog.pg_advisory_xact_lock(:key)"), {"key": _LOCK})
        yield connection


def compare(connection: Connection) -> tuple[list[str], list[str]]:
    """Compare the database with the framework's own migrations. Nothing is changed.

    Returns:
        The revisions that are not applied yet, and the applied ones that this version does not know.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the table of revisions cannot be read.
    """
    _, script = _script(_FRAMEWORK)
    options = {"version_table_schema": SCHEMA, "version_table": REVISIONS}
    heads = MigrationContext.configure(connection, opts=options).get_current_heads()
    known = [step.revision for step in script.walk_revisions()]
    newer = [head for head in heads if head not in known]
    done = {step.revision for head in {*heads} - {*newer} for step in script.iterate_revisions(head, "base")}
    return [] if newer else [name for name in reversed(known) if name not in done], newer


_NEWER_PENSTOCK = (
    f"Penstock's own tables (version table {SCHEMA}.{REVISIONS}) are at revision {{}}, which this version of "
    "Penstock does not know: a newer one has upgraded them. Use that version or a newer one"
)
_NEWER_SERVICE = (
    "the service's tables are at revision {}, which its migrations do not have: newer code has upgraded them. "
    "Deploy that code or newer"
)


def _leave_own_schema(connection: Connection, table: str) -> str:
    """Take the framework's schema from the transaction's search_path; return that of a table of the service.

    The default search_path begins with a schema of the role's own name. For a role that is named like the
    framework's schema, the service's tables and its version table would be the framework's.
    """
    path = connection.execute(_PATH).scalar_one()
    schemas = [name for name in path if name != SCHEMA] or ["public"]
    if SCHEMA in path:
        quote = connection.dialect.identifier_preparer.quote_identifier
        connection.execute(_SET_PATH, {"path": ", ".join(map(quote, schemas))})
    tables = {"name": table, "schemas": schemas}
    return str(connection.execute(_VERSION_TABLE, tables).scalars().first() or schemas[0])


_PATH = text("SELECT CAST(pg_catalog.current_schemas(false) AS text[])")
_SET_PATH = text("SELECT pg_catalog.set_config('search_path', :path, true)")
_VERSION_TABLE = text(
    "SELECT schemaname::text FROM pg_catalog.pg_tables WHERE tablename = :name AND schemaname = ANY (:schemas)"
    " ORDER BY pg_catalog.array_position(CAST(:schemas AS text[]), schemaname::text)"
)


def _refuse_unknown(connection: Connection, script: ScriptDirectory, schema: str, problem: str) -> None:
    options = {"version_table_schema": schema, "version_table": REVISIONS}
    known = {step.revision for step in script.walk_revisions()}
    heads = MigrationContext.configure(connection, opts=options).get_current_heads()
    unknown = sorted({*heads} - known)
    if unknown:
        raise UnknownRevision(problem.format(", ".join(unknown)))


def _run(connection: Connection, folder: Path, schema: str, newer: str) -> list[str]:
    config, script = _script(folder)
    _refuse_unknown(connection, script, schema, newer)
    applied: list[str] = []

    def to_head(revision: object, _context: MigrationContext) -> list[object]:
        steps = script._upgrade_revs("heads", revision)  # type: ignore[arg-type]
        applied.extend(step.revision.revision for step in steps)
        return list(steps)

    with EnvironmentContext(config, script, fn=to_head) as environment:
        environment.configure(connection=connection, version_table_schema=schema, version_table=REVISIONS)
        environment.run_migrations()
    return applied


def _script(folder: Path) -> tuple[Config, ScriptDirectory]:
    config = Config()
    config.set_main_option("script_location", str(folder).replace("%", "%%"))
    return config, ScriptDirectory.from_config(config)
