"""Consumers at once: many leave what one leaves that takes each intent once and in order."""

import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from sqlalchemy import Column, Connection, Engine, Integer, MetaData, Table, Text, Uuid, select, text
from sqlalchemy.dialects.postgresql import insert

from penstock import WriteIntent
from penstock.consumer import Append, Custom, Drain
from penstock.database import make_engine
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.test_modes import (
    Adjusted,
    Mailed,
    changed,
    make_drain,
    moments,
    numbers,
    orders,
    outbox,
    outcomes,
    placed,
    removed,
    stock,
    words,
)

metadata = MetaData()
# Nothing in it keeps a row from being there twice.
views = Table("Our Views", metadata, Column("intent_id", Uuid), Column("path", Text))
tallies = Table("our_tallies", metadata, Column("name", Text, primary_key=True), Column("count", Integer))
TABLES = (orders, stock, outbox, views, tallies)

CONSUMERS = 4
ROUNDS = 3
TRIES = 5


class Seen(WriteIntent, kind="seen"):
    path: str


class Counted(WriteIntent, kind="counted"):
    name: str


def count(connection: Connection, intents: Sequence[Counted]) -> None:
    """Count by name, in the order of the names: two batches never wait for each other in a circle."""
    for name, number in sorted(Counter(intent.name for intent in intents).items()):
        row = insert(tallies).values(name=name, count=number)
        both = tallies.c.count + row.excluded.count
        connection.execute(row.on_conflict_do_update(index_elements=["name"], set_={"count": both}))


def every_mode(engine: Engine) -> tuple[Drain, MemoryQueue]:
    """Make a drain of every write mode, with its dead letters; its tables are made if missing."""
    drain, dead = make_drain(engine)
    metadata.create_all(engine)
    drain.write(Seen, Append(views))
    drain.write(Counted, Custom(count))
    return drain, dead


def tables(engine: Engine) -> dict[str, Counter[tuple[Any, ...]]]:
    """Return all rows of each table, with how often each is there."""
    with engine.connect() as connection:
        return {table.name: Counter(map(tuple, connection.execute(select(table)))) for table in TABLES}


def clean(engine: Engine) -> None:
    names = ", ".join(f'"{table.name}"' for table in TABLES)
    with engine.begin() as connection:
        connection.execute(text(f"TRUNCATE {names}, penstock.ledger, penstock.tombstone"))


def deliver(drain: Drain, records: list[Any]) -> list[Any]:
    """Deliver one batch; return the records that come back."""
    answer = drain.handler({"Records": records}, LambdaContext())
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    return [record for record in records if record["messageId"] in failed]


def deliver_all(drain: Drain, records: list[Any]) -> None:
    """Deliver records until none comes back."""
    for _ in range(TRIES):
        records = deliver(drain, records) if records else []
    assert records == []


@pytest.fixture
def consumers(database_url: str) -> Iterator[list[tuple[Engine, Drain, MemoryQueue]]]:
    """Consumers of one database, each with connections of its own."""
    with psycopg.connect(database_url, autocommit=True) as connection:
        # Postgres looks for a deadlock after a second; a test has no time for many of them.
        connection.execute(f"ALTER DATABASE {connection.info.dbname} SET deadlock_timeout = '20ms'")
    engines = [make_engine(database_url) for _ in range(CONSUMERS)]
    yield [(engine, *every_mode(engine)) for engine in engines]
    for engine in engines:
        engine.dispose()


views_seen = st.builds(Seen, path=words)
upserts = st.builds(placed, moments, words, numbers, st.none() | words) | st.builds(
    changed, moments, words, numbers
)
deletions = st.builds(removed, moments, numbers)
increments = st.builds(Adjusted, sku=words, delta=st.integers(-5, 5))
customs = st.builds(Counted, name=words) | st.builds(Mailed, what=words)

# What every example of a mix has in it, and what else it may have. Of a deletion and the row, of a status and its
# order, and of equal versions either is first for some consumer.
RIVALS: list[WriteIntent] = [
    placed(2, "a"),
    changed(2, "a"),
    placed(2, "b"),
    changed(2, "b"),
    placed(2, "b", note="a"),
]
ENDS: list[WriteIntent] = [
    placed(1),
    removed(2),
    changed(3),
    placed(3, number=2),
    removed(3, number=2),
    removed(1),
]
MIXES: dict[str, tuple[list[WriteIntent], st.SearchStrategy[WriteIntent]]] = {
    "append": ([], views_seen),
    "upsert": (RIVALS, upserts),
    "increment": ([], increments),
    "delete and upsert": ([*ENDS, *RIVALS], upserts | deletions),
    "custom": ([], customs),
    "all": ([*ENDS, *RIVALS], views_seen | upserts | increments | deletions | customs),
}


def deal(intents: list[WriteIntent], hands: int, chance: random.Random) -> list[list[list[Any]]]:
    """Deal each intent, once or several times, to any consumers in any order, and cut each hand in batches."""
    dealt: list[list[Any]] = [[] for _ in range(hands)]
    for record in sqs_event(intent for intent in intents for _ in range(chance.randint(1, 4)))["Records"]:
        chance.choice(dealt).append(record)
    for hand in dealt:
        chance.shuffle(hand)
    return [[hand[number::ROUNDS] for number in range(ROUNDS)] for hand in dealt]


def consume(drain: Drain, batches: list[list[Any]], together: Barrier) -> None:
    """Drain each batch at the same time as all others do, and in the end what is left."""
    left: list[Any] = []
    for batch in batches:
        together.wait(30)
        left += deliver(drain, batch)
    deliver_all(drain, left)


@pytest.mark.parametrize("mix", MIXES)
# Nothing is made smaller: what runs at once does not repeat itself.
@settings(
    suppress_health_check=[HealthCheck.function_scoped_fixture],
    max_examples=15,
    phases=[Phase.explicit, Phase.generate],
)
@given(data=st.data(), hands=st.integers(2, CONSUMERS), seed=st.integers())
def test_consumers_at_once_leave_what_one_leaves(
    consumers: list[tuple[Engine, Drain, MemoryQueue]], mix: str, data: st.DataObject, hands: int, seed: int
) -> None:
    """Intents that reach several consumers at once, repeated and in any order, leave the tables that one does."""
    given_, others = MIXES[mix]
    intents = [*given_, *data.draw(st.lists(others, min_size=5, max_size=25))]
    engine, drain, _ = consumers[0]
    clean(engine)
    assert deliver(drain, sqs_event(intents)["Records"]) == []
    alone = tables(engine)
    clean(engine)
    together = Barrier(hands)
    with ThreadPoolExecutor(hands) as pool:
        dealt = deal(intents, hands, random.Random(seed))  # noqa: S311
        drains = [drain for _, drain, _ in consumers]
        list(pool.map(consume, drains, dealt, [together] * hands))
    assert tables(engine) == alone
    settled = outcomes(engine)
    assert settled.keys() == {intent.intent_id for intent in intents}
    assert set(settled.values()) <= {"applied", "stale"}
    assert [letter for _, _, dead in consumers for letter in dead.messages] == []
