"""The server's own timeouts of idle sessions, which end those of functions that are frozen or gone.

The server ends a session only while it is idle, so it never hits one at work. An engine replaces a connection that
is older than four minutes at its next use, so it never needs one that has been idle for five.
"""

from dataclasses import dataclass
from typing import Final

from psycopg import sql
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from penstock.database.pooler import is_pooled
from penstock.database.watchdog import Watchdog

IDLE_TIMEOUTS: Final = {"idle_session_timeout": "5min", "idle_in_transaction_session_timeout": "1min"}
"""The parameters, and the values that are set (PostgreSQL documentation, "Client Connection Defaults")."""

_SECONDS: Final = 30
_INSUFFICIENT_PRIVILEGE: Final = "42501"
_ROLE: Final = text("SELECT session_user AS role, pg_catalog.current_database() AS database")


class TimeoutsRefused(Exception):
    """The timeouts cannot be set; the message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class IdleTimeouts:
    """For whom the timeouts were set.

    Attributes:
        role: the role in Postgres.
        database: the database in which they hold.
    """

    role: str
    database: str


def set_idle_timeouts(watchdog: Watchdog, role: str | None = None) -> IdleTimeouts:
    """Set the timeouts of a role in the database, for all sessions that begin from now on. It is safe to repeat.

    Args:
        watchdog: transactions of an engine.
        role: the role of the functions; None for the role that connects.

    Raises:
        TimeoutsRefused: a pooler is in between, or the role that connects may not do this.
        sqlalchemy.exc.SQLAlchemyError: the database cannot be reached, or does not know the role.
    """
    with watchdog.transaction(_SECONDS) as connection:
        if is_pooled(connection):
            raise TimeoutsRefused(
                "a pooler is between Penstock and Postgres, and shares its connections among clients: set its own "
                "timeouts (PgBouncer: server_idle_timeout, idle_transaction_timeout), or name the server itself"
            )
        own = connection.execute(_ROLE).one()
        done = IdleTimeouts(role or own.role, own.database)
        for name, value in IDLE_TIMEOUTS.items():
            who = sql.Identifier(done.role), sql.Identifier(done.database)
            statement = sql.SQL("ALTER ROLE {} IN DATABASE {} SET {} = {}").format(
                *who, sql.Identifier(name), value
            )
            _alter(connection, statement.as_string())
        return done


def _alter(connection: Connection, statement: str) -> None:
    try:
        connection.exec_driver_sql(statement.replace("%", "%%"))
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) != _INSUFFICIENT_PRIVILEGE:
            raise
        raise TimeoutsRefused(
            f"this role may not change another role's settings. Let one that may do it run: {statement}"
        ) from error
