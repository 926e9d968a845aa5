"""A database, examined as the role that connects. Nothing is written, and no lock is waited for."""

from dataclasses import replace
from typing import Final

from sqlalchemy import Engine, text

from penstock.consumer.schema_check.catalog import read_server
from penstock.consumer.schema_check.check import migration_findings
from penstock.consumer.schema_check.pooler_check import pooler_findings
from penstock.consumer.schema_check.server_check import server_findings
from penstock.database.pooler import is_pooled
from penstock.database.watchdog import Watchdog
from penstock.doctor.budget import Budget
from penstock.doctor.finding import Finding
from penstock.doctor.granted import read_granted, read_pgbouncer
from penstock.doctor.rules.database import Database, database_findings

_SECONDS: Final = 30
_LIMITS: Final = text(
    "SELECT pg_catalog.set_config('statement_timeout', '10s', true),"
    " pg_catalog.set_config('lock_timeout', '1s', true)"
)


def examine_database(engine: Engine, budget: Budget | None, people: int) -> list[Finding]:
    """Return what is wrong with a database for a service.

    Args:
        engine: an engine that connects with the role of the functions.
        budget: the budget of the service; None if it is not known.
        people: the connections that are kept for people.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached or read.
    """
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    with Watchdog(snapshot).rolled_back(_SECONDS) as connection:
        connection.execute(_LIMITS)
        pooled = is_pooled(connection)
        found = Database(
            granted=read_granted(connection),
            pooled=pooled,
            pooler=None,
            ledger=tuple(migration_findings(connection)),
            people=people,
            # The transaction ends with those of the pooler.
            server=(*server_findings(connection, read_server(connection)), *pooler_findings(connection)),
        )
    if pooled:
        found = replace(found, pooler=read_pgbouncer(engine.url))
    return list(database_findings(found, budget))
