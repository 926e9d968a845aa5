"""The contenders: Penstock, and three hand-written alternatives that write an SQS event to Postgres.

All contenders get the same events and have one connection each. The preparation of the input (only
`CopyOfReadyRows` needs any) is not timed. The peers insert the ids as they are: none of them detects a duplicate,
keeps a ledger or records an outcome, and only Penstock validates.

The peers have what is fastest for them, not what a service on Lambda needs. Their engine is SQLAlchemy's own with
psycopg's defaults. It prepares statements behind a pooler, too, where that is not safe. It does not try a
connection before use, so a connection that broke while the function was frozen fails a batch; Penstock's drain
begins such a batch again. COPY is a transaction by itself, without BEGIN and COMMIT.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import psycopg
from aws_lambda_powertools.utilities.batch import BatchProcessor, EventType, process_partial_response
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from psycopg import sql
from sqlalchemy import Engine, create_engine, insert

from benchmarks.drain.events import Event, ready_rows
from benchmarks.drain.rounds import Run
from benchmarks.drain.shop import COLUMNS, bind_shop
from consumer.tables import page_views
from penstock.consumer import Drain
from penstock.database import make_engine
from penstock.testing import LambdaContext, MemoryQueue


class EventWriter(Protocol):
    """A contender: it writes an event to Postgres.

    Attributes:
        name: the name in the report.
    """

    name: str

    def prepare(self, event: Event) -> Run:
        """Prepare an event, not timed; return the call to time."""

    def close(self) -> None:
        """Close the connection."""


SETTLING = 10
"""The number of records that each contender writes to the truncated tables before the clock starts.

After TRUNCATE, Postgres discards plans and starts new files. A service in production never has that cost.
"""


class Penstock:
    """The drain, from the Lambda event to the partial batch response."""

    name = "penstock"

    def __init__(self, url: str) -> None:
        self._engine = make_engine(url, pre_ping=False)
        self._dead_letters = MemoryQueue()
        self._drain = Drain(engine=self._engine, queue=MemoryQueue(), dead_letters=self._dead_letters)
        bind_shop(self._drain)

    def prepare(self, event: Event) -> Run:
        """Return a call that drains the event; it fails if a record is returned to the queue."""

        def run() -> None:
            assert self._drain.handler(event, LambdaContext()) == {"batchItemFailures": []}

        return run

    def take_dead_letters(self) -> int:
        """Delete all messages of the dead-letter queue; return how many there were."""
        count = 0
        while letters := self._dead_letters.receive(10):
            count += len(letters)
            self._dead_letters.delete([letter.receipt_handle for letter in letters])
        return count

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class PerRecord:
    """Powertools' BatchProcessor, with one transaction on a pooled connection per record: its usual form."""

    name = "powertools"

    def __init__(self, url: str) -> None:
        self._engine = _peer_engine(url)
        self._processor = BatchProcessor(event_type=EventType.SQS)

    def prepare(self, event: Event) -> Run:
        """Return a call that processes the event; it fails if a record fails."""

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
        self._engine = _peer_engine(url)

    def prepare(self, event: Event) -> Run:
        """Return a call that inserts all records in one transaction."""

        def run() -> None:
            rows = [_row(record["body"]) for record in event["Records"]]
            with self._engine.begin() as connection:
                connection.execute(insert(page_views), rows)

        return run

    def close(self) -> None:
        """Close the connection."""
        self._engine.dispose()


class CopyOfReadyRows:
    """The upper limit: COPY of rows that were decoded before the clock started."""

    name = "copy"

    def __init__(self, url: str) -> None:
        self._connection = psycopg.connect(url, autocommit=True)
        columns = sql.SQL(", ").join(map(sql.Identifier, COLUMNS))
        self._statement = sql.SQL("COPY page_views ({}) FROM STDIN").format(columns)

    def prepare(self, event: Event) -> Run:
        """Return a call that copies the rows in one transaction."""
        rows = ready_rows(event)

        def run() -> None:
            with self._connection.cursor() as cursor, cursor.copy(self._statement) as copy:
                for row in rows:
                    copy.write_row(row)

        return run

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()


CONTENDERS: tuple[Callable[[str], EventWriter], ...] = (Penstock, PerRecord, Bulk, CopyOfReadyRows)
"""What makes each contender from the database's URL, in the order of the report."""


def _peer_engine(url: str) -> Engine:
    return create_engine(url.replace("postgresql://", "postgresql+psycopg://", 1), pool_size=1, max_overflow=0)


def _row(body: str) -> Mapping[str, Any]:
    envelope = json.loads(body)
    return {"intent_id": envelope["id"], **envelope["data"]}
