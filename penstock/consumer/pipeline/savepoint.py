"""A savepoint, moved on from write to write."""

from typing import Any

import psycopg
from psycopg.pq import ExecStatus
from sqlalchemy import Connection


class Savepoint:
    """A point in a transaction to go back to.

    Straight through libpq. SQLAlchemy rolls back to its savepoints without releasing them: they would nest, ever
    deeper, until Postgres runs out of memory for their locks (SQLSTATE 53200). And psycopg forgets all statements
    that it has prepared when it sees a ROLLBACK.
    """

    def __init__(self, connection: Connection) -> None:
        """Set it, here."""
        driver: Any = connection.connection.driver_connection
        self._pgconn: psycopg.pq.abc.PGconn = driver.pgconn
        self._run(b"SAVEPOINT part")

    def keep(self) -> None:
        """Keep what has been done since, and move on.

        Raises:
            psycopg.Error: an error has come up since, or the transaction is no more.
        """
        self._run(b"RELEASE SAVEPOINT part; SAVEPOINT part")

    def roll_back(self) -> None:
        """Undo what has been done since.

        Raises:
            psycopg.Error: the transaction is no more.
        """
        self._run(b"ROLLBACK TO SAVEPOINT part")

    def close(self) -> None:
        """Keep what has been done since.

        Raises:
            psycopg.Error: an error has come up since, or the transaction is no more.
        """
        self._run(b"RELEASE SAVEPOINT part")

    def _run(self, command: bytes) -> None:
        result = self._pgconn.exec_(command)
        if result.status != ExecStatus.COMMAND_OK:
            raise psycopg.errors.error_from_result(result)
