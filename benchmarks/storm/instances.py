"""What an instance of a function does with a request, for each contender.

What an instance keeps between requests is its own, as in an environment of AWS Lambda. Each is written as the
documentation of its library recommends, and retries no more than that.
"""

from collections.abc import Callable
from typing import Final

import psycopg
from sqlalchemy import insert

from benchmarks.storm.model import ROLE, Request
from benchmarks.storm.table import Requested, table
from penstock.database import managed_engine
from penstock.producer import Producer
from penstock.queue import SqsQueue
from penstock.settings import Settings
from penstock.testing import LambdaContext

Instance = Callable[[Request], object]
"""One instance of a function: it answers a request with success, or raises."""

TIMEOUT_SECONDS: Final = 29.0
"""How long an invocation may take: API Gateway answers its caller after that time at most."""

INSERT: Final = f"INSERT INTO {ROLE} (request_id, instance, note) VALUES (%s, %s, %s)"
_KEY: Final = "k" * 32


def connect_per_request(url: str) -> Instance:
    """Connect, insert, close: the first example of psycopg's documentation ("Basic module usage")."""

    def handle(request: Request) -> None:
        with psycopg.connect(url) as connection:
            connection.execute(INSERT, request)

    return handle


class KeptConnection:
    """Keep one connection, as AWS recommends ("Best practices for working with AWS Lambda functions").

    A connection that psycopg knows as closed is replaced by the next request.
    """

    def __init__(self, url: str) -> None:
        self._url = url
        self._connection: psycopg.Connection | None = None

    def __call__(self, request: Request) -> None:
        """Insert the row in a transaction."""
        if self._connection is None or self._connection.closed:
            # Prepared statements need PgBouncer 1.22 (psycopg, "Prepared statements"): without them, this is the
            # same code with a pooler and without.
            self._connection = psycopg.connect(self._url, prepare_threshold=None)
        with self._connection.transaction():
            self._connection.execute(INSERT, request)


def managed(url: str) -> Instance:
    """Use Penstock's managed engine (docs/connections.md)."""
    database = managed_engine(url)
    # An instance imports its modules and makes its engine before its first request: 20 ms of the processor's time,
    # which a thousand instances have in parallel.
    assert database.engine

    @database.handler
    def handler(event: Request, _context: LambdaContext) -> None:
        with database.transaction() as connection:
            connection.execute(insert(table), event._asdict())

    return lambda request: handler(request, LambdaContext(TIMEOUT_SECONDS))


def penstock(queue_url: str) -> Instance:
    """Emit the row as an intent. The answer is given once the queue has acknowledged it."""
    producer = Producer(Settings(receipt_key=_KEY, source="/storm"), SqsQueue(queue_url))

    def handle(request: Request) -> None:
        producer.emit(Requested(**request._asdict()))

    return handle
