"""Check a pooler by experiment: its presence, whether it passes pipelines on, and whether it has transactions."""

from collections.abc import Iterator
from typing import Any, Final

import psycopg
from sqlalchemy import Connection
from sqlalchemy.exc import DBAPIError

from penstock.consumer.schema_check.finding import Finding, Severity, fault, warning
from penstock.database.pooler import is_pooled

_NOTE: Final = (
    "a pooler is between Penstock and Postgres: a function of the mode Custom must leave no state in its session",
    "have the pooler keep a connection for a transaction or a session, not for a statement",
)
_STATEMENT_MODE: Final = "statement pooling mode"
"""A part of PgBouncer's answer to BEGIN if its pool_mode is `statement`; it comes with SQLSTATE 08P01."""


def pooler_findings(connection: Connection) -> Iterator[Finding]:
    """Yield what concerns a pooler between Penstock and Postgres.

    Args:
        connection: in a transaction, which is rolled back.
    """
    if is_pooled(connection):
        yield Finding(severity=Severity.NOTE, problem=_NOTE[0], hint=_NOTE[1])
    # A pooler may hide that it is there.
    if not _passes_pipelines_on(_driver(connection)):
        connection.invalidate()
        yield warning(
            "a pooler breaks pipelines: each batch loses a connection, and is then written statement by statement",
            "set PENSTOCK_PIPELINES=false for the drain (custom.penstock.pipelines), unless it is set already",
        )


def refused_transactions(error: DBAPIError) -> Finding | None:
    """Return the fault of a pooler that refused BEGIN, if that is what the error says."""
    if _STATEMENT_MODE not in str(error.orig):
        return None
    return fault(
        "the pooler keeps a connection for a statement only (pool_mode = statement): Penstock needs transactions",
        "set pool_mode to transaction or session, for this database or for the pooler",
    )


def _passes_pipelines_on(driver: psycopg.Connection[Any]) -> bool:
    """Send statements ahead, one of which fails, and see whether each gets its own answer."""
    try:
        with driver.pipeline():
            first = driver.execute("SELECT 1")
            driver.execute("SELECT 1 / 0")
            driver.execute("SELECT 2")
            # The end of the block waits for all answers. An error before it would be logged by psycopg as well.
        return False
    except psycopg.errors.DivisionByZero:
        answered = first.fetchone()
        driver.rollback()
        return (answered, driver.execute("SELECT 3").fetchone()) == ((1,), (3,))
    except psycopg.Error as error:
        # Without pipelines in this libpq, the drain sends none.
        return isinstance(error, psycopg.NotSupportedError)


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver
