"""Kinds of every write mode, and their tables."""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import strategies as st
from pydantic import AwareDatetime
from sqlalchemy import (
    Column,
    Connection,
    DateTime,
    Engine,
    Integer,
    MetaData,
    Numeric,
    Table,
    Text,
    Uuid,
    insert,
    select,
)

from penstock import WriteIntent
from penstock.consumer import Custom, DataFault, Delete, Drain, Increment, Upsert
from penstock.database import ledger
from penstock.testing import LambdaContext, MemoryQueue, sqs_event

metadata = MetaData()


orders = Table(
    "Our Orders",
    metadata,
    Column("region", Text, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("customer", Text),
    Column("note", Text),
    Column("placed_at", DateTime(timezone=True)),
    Column("status", Text),
    Column("changed_at", DateTime(timezone=True)),
)


stock = Table(
    "Our Stock",
    metadata,
    Column("sku", Text, primary_key=True),
    Column("quantity", Integer, nullable=False, server_default="100"),
    Column("value", Numeric(12, 2)),
)


outbox = Table("our_outbox", metadata, Column("id", Uuid, primary_key=True), Column("what", Text))


START = datetime(2026, 11, 20, tzinfo=UTC)


class Placed(WriteIntent, kind="placed"):
    region: str
    number: int
    customer: str
    note: str | None = None
    at: AwareDatetime


class Changed(WriteIntent, kind="changed"):
    region: str
    number: int
    status: str
    changed_at: AwareDatetime


class Removed(WriteIntent, kind="removed"):
    region: str
    number: int
    at: AwareDatetime


class Adjusted(WriteIntent, kind="adjusted"):
    sku: str
    delta: int
    worth: int = 0


class Mailed(WriteIntent, kind="mailed"):
    what: str


KEY = ["region", "number"]


def send_mail(connection: Connection, intents: Sequence[Mailed]) -> None:
    if any(intent.what == "bad" for intent in intents):
        raise KeyError("hunter2")
    if any(intent.what == "never" for intent in intents):
        raise DataFault("not-mail")
    connection.execute(insert(outbox), [{"id": i.intent_id, "what": i.what} for i in intents])


def make_drain(engine: Engine) -> tuple[Drain, MemoryQueue]:
    metadata.create_all(engine)
    dead = MemoryQueue()
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=dead)
    drain.write(Placed, Upsert(orders, key=KEY, version="placed_at", columns={"placed_at": "at"}))
    drain.write(Changed, Upsert(orders, key=KEY, version="changed_at"))
    drain.write(Removed, Delete(orders, key=KEY, version="placed_at", columns={"placed_at": "at"}))
    drain.write(Adjusted, Increment(stock, key="sku", add={"quantity": "delta", "value": "worth"}))
    drain.write(Mailed, Custom(send_mail))
    return drain, dead


def outcomes(engine: Engine) -> dict[Any, str]:
    with engine.connect() as connection:
        return {row.id: row.outcome for row in connection.execute(select(ledger.c.id, ledger.c.outcome))}


def at(seconds: int) -> datetime:
    return START + timedelta(seconds=seconds)


class Bench:
    """A drain of every mode."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.drain, self.dead = make_drain(engine)

    def __call__(self, *intents: WriteIntent) -> None:
        assert self.drain.handler(sqs_event(intents), LambdaContext()) == {"batchItemFailures": []}

    def outcomes(self, *intents: WriteIntent) -> list[str]:
        known = outcomes(self.engine)
        return [known[intent.intent_id] for intent in intents]


def placed(seconds: int, customer: str = "c", number: int = 1, note: str | None = None) -> Placed:
    return Placed(region="eu", number=number, customer=customer, note=note, at=at(seconds))


def changed(seconds: int, status: str = "s", number: int = 1) -> Changed:
    return Changed(region="eu", number=number, status=status, changed_at=at(seconds))


def removed(seconds: int, number: int = 1) -> Removed:
    return Removed(region="eu", number=number, at=at(seconds))


numbers = st.integers(1, 3)


moments = st.integers(0, 4)


words = st.sampled_from("ab")
