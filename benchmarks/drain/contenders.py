"""The contenders: Penstock, and three hand-written ways to write an SQS event to Postgres.

Each has one connection, those of SQLAlchemy in the same pool (which pings it first, as a function that may have
been frozen has to), and is handed the same events. Preparation of the input (only `CopyOfReadyRows`
needs any) is outside of the clock. The peers use the ids as they are: none of them finds a duplicate, keeps a
ledger or records an outcome, and only Penstock validates.
"""

import json
from collections.abc import Mapping
from typing import Any, Protocol

import psycopg
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from psycopg import sql
from sqlalchemy import insert

from benchmarks.drain.events import Event, ready_rows
from benchmarks.drain.rounds import Run
from benchmarks.drain.shop import COLUMNS, bind_shop
from consumer.tables import page_views
from penstock.consumer import Drain
from penstock.database import make_engine
from penstock.testing import LambdaContext, MemoryQueue


class Contender(Protocol):
    """Something that writes an event to Postgres.

    Attributes:
        name: what it is called in the table.
    """

    name: str

    def prepare(self, event: Event) -> Run:
        """Make ready, outside of the clock; what is returned is then called and timed."""

    def close(self) -> None:
        """Close its connection."""


SETTLING = 10
"""How many records each contender writes before the clock starts, to tables that were just emptied.

TRUNCATE makes Postgres forget plans and begin new files, which a service in production never sees.
"""


class Penstock:
    """The drain, from the Lambda event to the partial batch response."""

    name = "penstock"

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url, for_drain=True)
        self._dead_letters = MemoryQueue()
        self._drain = Drain(engine=self._engine, queue=MemoryQueue(), dead_letters=self._dead_letters)
        bind_shop(self._drain)

    def prepare(self, event: Event) -> Run:
        """Drain it; not one record may be handed back."""

        def run() -> None:
            assert self._drain.handler(event, LambdaContext()) == {"batchItemFailures": []}

        return run

    def take_dead_letters(self) -> int:
        """Take everything off the dead-letter queue; return how much it was."""
        taken = 0
        while letters := self._dead_letters.receive(10):
            taken += len(letters)
            self._dead_letters.delete([letter.receipt_handle for letter in letters])
        return taken

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class PerRecord:
    """Powertools' BatchProcessor, with one transaction on a pooled connection per record: its usual idiom."""

    name = "powertools"

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url)
        self._processor = BatchProcessor(event_type=EventType.SQS)

    def prepare(self, event: Event) -> Run:
        """Process it; not one record may fail."""

        def run() -> None:
            context: Any = LambdaContext()
            answer = process_partial_response(event, self._write, self._processor, context)
            assert answer == {"batchItemFailures": []}

        return run

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()

    def _write(self, record: SQSRecord) -> None:
        row = _row(record.body)
        with self._engine.begin() as connection:
            connection.execute(insert(page_views), row)


class Bulk:
    """A hand-written bulk handler: one executemany INSERT per event, all or nothing."""

    name = "bulk"

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url)

    def prepare(self, event: Event) -> Run:
        """Insert all records in one transaction."""

        def run() -> None:
            rows = [_row(record["body"]) for record in event["Records"]]
            with self._engine.begin() as connection:
                connection.execute(insert(page_views), rows)

        return run

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class CopyOfReadyRows:
    """The limit: COPY of rows that were decoded before the clock starts."""

    name = "copy"

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url)
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        self._statement = sql.SQL("COPY page_views ({}) FROM STDIN").format(columns)

    def prepare(self, event: Event) -> Run:
        """Copy the rows in one transaction."""
        rows = ready_rows(event)

        def run() -> None:
            with self._connection.cursor() as cursor:
                with cursor.copy(self._statement) as copy:
                    for row in rows:
                        copy.write_row(row)
                self._connection.commit()

        return run

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


def _row(body: str) -> Mapping[str, Any]:
    envelope = json.loads(body)
    return {"intent_id": envelope["id"], **envelope["data"]}
