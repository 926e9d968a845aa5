"""Whether a pooler is between this process and Postgres."""

from typing import Any, Final

from sqlalchemy import Connection, text

PROCESS: Final = "SELECT pg_catalog.pg_backend_pid()"
"""Selects the process of the session."""


def is_pooled(connection: Connection) -> bool:
    """Return whether a pooler answered: its process is another one than that of the session in Postgres.

    Raises:
        sqlalchemy.exc.SQLAlchemyError: the database refused the statement, or cannot be reached.
    """
    driver: Any = connection.connection.driver_connection
    return bool(connection.execute(text(PROCESS)).scalar_one() != driver.info.backend_pid)
