"""Several consumers that drain the same intents."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

from pydantic import AwareDatetime
from sqlalchemy import (
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Integer,
    MetaData,
    Table,
    Text,
    Uuid,
    select,
    text,
)
from sqlalchemy.dialects.postgresql import insert

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain, Increment, Upsert
from penstock.testing import LambdaContext, MemoryQueue
from tests.support.modes import (
    KEY,
    at,
    make_drain,
    orders,
    outbox,
    stock,
)

metadata = MetaData()


# It has no constraint against duplicate rows.
views = Table("Our Views", metadata, Column("intent_id", Uuid), Column("path", Text))


tallies = Table("our_tallies", metadata, Column("name", Text, primary_key=True), Column("count", Integer))


steps = Table("our_steps", metadata, Column("intent_id", Uuid), Column("number", Integer), Column("status", Text))


totals = Table(
    "our_totals",
    metadata,
    Column("status", Text, primary_key=True),
    Column("changes", Integer, CheckConstraint("changes < 1000")),
)


TABLES = (orders, stock, outbox, views, tallies, steps, totals)


TRIES = 5


class Seen(WriteIntent, kind="seen"):
    path: str


class Counted(WriteIntent, kind="counted"):
    name: str


class Stepped(WriteIntent, kind="stepped"):
    """The status of an order, with a history and a total."""

    region: str
    number: int
    status: str
    changed_at: AwareDatetime
    changes: int = 1


def stepped(seconds: int, status: str = "s", number: int = 1, changes: int = 1) -> Stepped:
    return Stepped(region="eu", number=number, status=status, changed_at=at(seconds), changes=changes)


def count(connection: Connection, intents: Sequence[Counted]) -> None:
    """Count by name, in the order of the names, so that two batches never wait for each other in a circle."""
    for name, number in sorted(Counter(intent.name for intent in intents).items()):
        row = insert(tallies).values(name=name, count=number)
        both = tallies.c.count + row.excluded.count
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"count": both}))


def every_mode(engine: Engine) -> tuple[Drain, MemoryQueue]:
    """Make a drain of every write mode, and its dead-letter queue; create its tables if they are missing."""
    drain, dead = make_drain(engine)
    metadata.create_all(engine)
    drain.write(Seen, Append(views))
    drain.write(Counted, Custom(count))
    drain.write(
        Stepped,
        Upsert(orders, key=KEY, version="changed_at"),
        Append(steps),
        Increment(totals, key="status", add={"changes": "changes"}),
    )
    return drain, dead


def tables(engine: Engine) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return the rows of each table, with the number of times that each occurs."""
    with engine.connect() as connection:
        return {table.name: Counter(map(tuple, connection.execute(select(table)))) for table in TABLES}


def clean(engine: Engine) -> None:
    names = ", ".join(f'"{table.name}"' for table in TABLES)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}, penstock.ledger, penstock.tombstone"))


def deliver(drain: Drain, records: list[Any]) -> list[Any]:
    """Deliver one batch; return the records that it hands back."""
    answer = drain.handler({"Records": records}, LambdaContext())
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    return [record for record in records if record["messageId"] in failed]


def deliver_all(drain: Drain, records: list[Any]) -> None:
    """Deliver records until none is handed back."""
    for _ in range(TRIES):
        records = deliver(drain, records) if records else []
    assert records == []
