"""A savepoint that moves forward from write to write."""

from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from sqlalchemy import Connection


class Savepoint:
    """A savepoint in a transaction.

    It uses libpq directly, for two reasons. SQLAlchemy rolls back to its savepoints without releasing them: they
    would nest deeper and deeper, until Postgres runs out of memory for their locks (SQLSTATE 53200). And psycopg
    forgets all prepared statements when it sees a ROLLBACK.
    """

    def __init__(self, connection: Connection) -> None:
        """Set the savepoint."""
        driver: Any = connection.connection.driver_connection
        self._pgconn: psycopg.pq.abc.PGconn = driver.pgconn
        self._run(b"SAVEPOINT part")

    def keep(self) -> None:
        """Keep what was done since the savepoint, and set it anew.

        Raises:
            psycopg.Error: a statement failed since then, or the transaction has ended.
        """
        self._run(b"RELEASE SAVEPOINT part; SAVEPOINT part")

    def roll_back(self) -> None:
        """Undo what was done since the savepoint.

        Raises:
            psycopg.Error: the transaction has ended.
        """
        self._run(b"ROLLBACK TO SAVEPOINT part")

    def close(self) -> None:
        """Keep what was done since the savepoint, and release it.

        Raises:
            psycopg.Error: a statement failed since then, or the transaction has ended.
        """
        self._run(b"RELEASE SAVEPOINT part")

    def _run(self, command: bytes) -> None:
        result = self._pgconn.exec_(command)
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
