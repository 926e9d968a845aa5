"""A drain and the retention of its ledger and its tombstones, on a real Postgres."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from uuid import UUID

import psycopg
from pydantic import AwareDatetime
from sqlalchemy import Column, DateTime, Engine, MetaData, Table, Text, Uuid, text

from penstock import WriteIntent
from penstock.consumer import Append, Delete, Drain, Outcomes, Upsert
from penstock.database import retention
from penstock.database.retention import Pruned
from penstock.database.watchdog import Watchdog
from penstock.intents import sign
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event

NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"
MONTH = retention.KEPT_DAYS
A_MONTH_LATER = "UPDATE penstock.rotation SET rotated_at = rotated_at - interval '30 days'"

# The table has no unique constraint, so that a second effect is visible.
marks = Table("marks", MetaData(), Column("intent_id", Uuid), Column("name", Text))
pages = Table(
    "pages",
    MetaData(),
    Column("path", Text, primary_key=True),
    Column("body", Text),
    Column("written_at", DateTime(timezone=True)),
)


class Marked(WriteIntent, kind="marked"):
    name: str


class PageWritten(WriteIntent, kind="page.written"):
    path: str
    body: str
    written_at: AwareDatetime


class PageRemoved(WriteIntent, kind="page.removed"):
    path: str
    written_at: AwareDatetime


class Bench:
    """A drain on a database, and the pruning of its tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dead_letters = MemoryQueue()
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=self.dead_letters)
        self.drain.write(Marked, Append(marks))
        self.drain.write(PageWritten, Upsert(pages, key="path", version="written_at"))
        self.drain.write(PageRemoved, Delete(pages, key="path", version="written_at"))

    def __call__(self, *intents: WriteIntent) -> int:
        """Drain the intents; return how many are to be retried."""
        return len(self.drain.handler(sqs_event(intents), LambdaContext())["batchItemFailures"])

    def prune(self, seconds: float = 20, days: int = 0) -> Pruned:
        """Prune, as if this many days had passed."""
        if days:
            self.run(f"UPDATE penstock.rotation SET rotated_at = rotated_at - interval '{days} days'")
            self.run(f"UPDATE penstock.tombstone SET buried_at = buried_at - interval '{days} days'")
        return retention.prune(Watchdog(self.engine), seconds)

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def value(self, query: str) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(text(query))

    def outcome(self, id_: UUID) -> str:
        return Outcomes(Settings(receipt_key="key"), engine=self.engine).find(str(sign(id_, "key"))).status

    @property
    def applied(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(text("SELECT name FROM marks")))

    @property
    def generations(self) -> list[int]:
        return [self.value(f"SELECT count(*) FROM penstock.{name}") for name in ("ledger", "ledger_past")]


@contextmanager
def in_use(database_url: str) -> Iterator[None]:
    """Hold a lock on the ledger in an open transaction that reads it."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM penstock.ledger LIMIT 1")
        yield


def insert_tombstones(bench: Bench, number: int, days: int) -> None:
    """Insert tombstones of this age."""
    bench.run(
        "INSERT INTO penstock.tombstone (target, key, version, buried_at)"
        f" SELECT 'pages', jsonb_build_array({days}, n), '1', now() - interval '{days} days'"
        f" FROM generate_series(1, {number}) AS n"
    )


def create_bench(engine: Engine) -> Bench:
    """Create the tables and a bench."""
    marks.metadata.create_all(engine)
    pages.metadata.create_all(engine)
    return Bench(engine)
