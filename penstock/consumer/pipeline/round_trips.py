"""How often the drain waits for Postgres, which is what a batch costs over a network."""

from typing import Any

from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Engine, event


class RoundTrips:
    """Counts the waits of an engine: single statements, and the ends of transactions."""

    def __init__(self, engine: Engine) -> None:
        """Count from now on."""
        self.count = 0
        event.listen(engine, "before_cursor_execute", self._note_statement)
        event.listen(engine, "commit", self._note_end)
        event.listen(engine, "rollback", self._note_end)

    def _note_statement(self, connection: Connection, *_: Any) -> None:
        # psycopg waits for BEGIN by itself.
        self.count += 1 if _has_begun(connection) else 2

    def _note_end(self, connection: Connection) -> None:
        self.count += _has_begun(connection)


def _has_begun(connection: Connection) -> bool:
    if connection.invalidated:
        return False
    driver: Any = connection.connection.driver_connection
    return bool(driver.pgconn.transaction_status != TransactionStatus.IDLE)
