"""Have Postgres plan the statement of a kind, without rows and without executing it.

What the other checks do not know of, Postgres does: an operator that a type lacks, a rule, a view, an extension.
"""

from collections.abc import Iterator

import psycopg
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from penstock.consumer.modes.statements import SetWrite
from penstock.consumer.schema_check.finding import Finding, fault

_NO_WAITING = text("SELECT pg_catalog.set_config('lock_timeout', '20ms', true)")
_UNDECIDED = (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled)
_HINTS = {
    "42883": "use a type that has this operator for the column, such as a time, a number or a text for a version",
    "0A000": "write to a table that has no rules, and to a view only by Append",
}
_HINT = "correct the table, or write the kind with Custom"


def statement_findings(connection: Connection, write: SetWrite) -> Iterator[Finding]:
    """Yield why Postgres refuses to plan the statement of a bound write, without its kind.

    The locks are released at once, and a table that is locked is left out.
    """
    compiled = write.first_statement.compile(dialect=connection.dialect)
    savepoint = connection.begin_nested()
    try:
        connection.execute(_NO_WAITING)
        connection.exec_driver_sql(f"EXPLAIN {compiled}", compiled.params | write.parameters(()))
    except DBAPIError as error:
        if not isinstance(error.orig, psycopg.Error) or error.orig.sqlstate is None:
            raise
        if not isinstance(error.orig, _UNDECIDED):
            yield _refused(error.orig)
    finally:
        if savepoint.is_active:
            savepoint.rollback()


def _refused(error: psycopg.Error) -> Finding:
    sqlstate = error.sqlstate or ""
    reason = error.diag.message_primary
    problem = f"Postgres refuses the statement that writes the kind ({sqlstate}): {reason}"
    return fault(problem, _HINTS.get(sqlstate, _HINT))
