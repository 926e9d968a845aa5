"""Rows that refer to each other in a circle, beside a row whose parent is missing."""

import pytest
from sqlalchemy import Column, Engine, ForeignKey, Integer, MetaData, Table, Text, select

from penstock import WriteIntent
from penstock.consumer import Append, Drain, Upsert
from penstock.testing import LambdaContext, MemoryQueue, sqs_event


class Husband(WriteIntent, kind="husband"):
    name: str
    wife: str


class Wife(WriteIntent, kind="wife"):
    name: str
    husband: str
    version: int = 1


metadata = MetaData()
husbands = Table(
    "husbands",
    metadata,
    Column("name", Text, primary_key=True),
    Column(
        "wife",
        Text,
        ForeignKey("wives.name", deferrable=True, initially="DEFERRED", use_alter=True, name="of_wife"),
    ),
)
wives = Table(
    "wives",
    metadata,
    Column("name", Text, primary_key=True),
    Column("husband", Text, ForeignKey("husbands.name", deferrable=True, initially="DEFERRED")),
    Column("version", Integer),
)


@pytest.fixture
def drain(engine: Engine) -> Drain:
    """A drain of two tables whose rows refer to each other."""
    metadata.create_all(engine)
    drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=MemoryQueue())
    drain.write(Husband, Append(husbands))
    drain.write(Wife, Upsert(wives, key="name", version="version"))
    return drain


PAIRS = [
    intent
    for n in range(4)
    for intent in (Husband(name=f"h{n}", wife=f"w{n}"), Wife(name=f"w{n}", husband=f"h{n}"))
]


@pytest.mark.parametrize(
    "orphans",
    [
        [Husband(name="alone", wife="nobody")],
        [Wife(name="alone", husband="nobody")],
        [Husband(name="alone", wife="nobody"), Wife(name="too", husband="alone")],
    ],
)
def test_pairs_land_beside_an_orphan(engine: Engine, drain: Drain, orphans: list[WriteIntent]) -> None:
    """Rows that are each other's parents land in the batch of an orphan, which alone goes back."""
    event = sqs_event([*orphans, *PAIRS])
    failed = [record["messageId"] for record in event["Records"][: len(orphans)]]
    answer = drain.handler(event, LambdaContext())
    assert [failure["itemIdentifier"] for failure in answer["batchItemFailures"]] == failed
    with engine.connect() as connection:
        assert [*connection.scalars(select(husbands.c.name).order_by("name"))] == ["h0", "h1", "h2", "h3"]
        assert [*connection.scalars(select(wives.c.name).order_by("name"))] == ["w0", "w1", "w2", "w3"]
