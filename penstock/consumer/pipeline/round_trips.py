"""How often the drain waits for Postgres, which is what a batch costs over a network."""

from typing import Any

from psycopg.pq import PipelineStatus, TransactionStatus
from sqlalchemy import Connection, Engine, event


class RoundTrips:
    """Counts the waits of an engine: statements, pipelines, and the ends of transactions.

    A pipeline is one wait, however many statements it has. One of more than a thousand intents waits in between,
    too, which is not counted.
    """

    def __init__(self, engine: Engine) -> None:
        """Count from now on."""
        self.count = 0
        self._in_pipeline = False
        event.listen(engine, "before_cursor_execute", self._note_statement)
        event.listen(engine, "commit", self._note_end)
        event.listen(engine, "rollback", self._note_end)

    def _note_statement(self, connection: Connection, *_: Any) -> None:
        driver: Any = connection.connection.driver_connection
        pipelined = driver.pgconn.pipeline_status != PipelineStatus.OFF
        if not (pipelined and self._in_pipeline):
            self.count += 1
        # Outside of a pipeline psycopg waits for BEGIN by itself.
        if not pipelined and driver.pgconn.transaction_status == TransactionStatus.IDLE:
            self.count += 1
        self._in_pipeline = pipelined

    def _note_end(self, _connection: Connection) -> None:
        self.count += 1
        self._in_pipeline = False
