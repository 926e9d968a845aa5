"""PgBouncer in transaction mode, between several drains and one database."""

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, Uuid, select

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.database import ledger, make_engine
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.servers import pgbouncer

DRAINS = 4
ROUNDS = 30

metadata = MetaData()
reds, greens, blues = (
    Table(name, metadata, Column("intent_id", Uuid), Column("name", Text), Column("size", Integer))
    for name in ("reds", "greens", "blues")
)


class Red(WriteIntent, kind="thing.red"):
    name: str
    size: int


class Green(WriteIntent, kind="thing.green"):
    name: str
    size: int


class Blue(WriteIntent, kind="thing.blue"):
    name: str
    size: int


KINDS: dict[type[Red | Green | Blue], Table] = {Red: reds, Green: greens, Blue: blues}


@pytest.fixture
def pooled_url(database_url: str) -> Iterator[str]:
    """The database through a PgBouncer with two connections, which knows no prepared statements."""
    with pgbouncer(database_url, pool_size=2) as url:
        yield url


def drains(url: str) -> list[tuple[Engine, Drain, MemoryQueue]]:
    made = []
    for number in range(DRAINS):
        engine, dead = make_engine(url, pre_ping=False), MemoryQueue()
        drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=dead)
        kinds = list(KINDS.items())
        # Each in another order, as functions that were deployed at other times.
        for intent, table in kinds[number % 3 :] + kinds[: number % 3]:
            drain.write(intent, Append(table))
        made.append((engine, drain, dead))
    return made


def test_each_intent_lands_in_its_own_table(pooled_url: str, engine: Engine) -> None:
    """Four drains behind a pooler write each intent to the table of its kind, also after errors."""
    metadata.create_all(engine)
    made = drains(pooled_url)
    sent: Counter[str] = Counter()

    def run(number: int) -> list[str]:
        names = []
        for turn in range(ROUNDS):
            batch: list[Red | Green | Blue] = [
                kind(name=f"{kind.__name__} {number} {turn} {i}", size=i)
                for kind in list(KINDS)[turn % 3 :] + list(KINDS)[: turn % 2]
                for i in range(3)
            ]
            if turn % 5 == number:
                batch.append(Red(name="Red too large", size=2**31))
            assert made[number][1].handler(sqs_event(batch), LambdaContext()) == {"batchItemFailures": []}
            names += [intent.name for intent in batch if intent.size < 2**31]
        return names

    with ThreadPoolExecutor(DRAINS) as pool:
        for names in pool.map(run, range(DRAINS)):
            sent.update(names)
    with engine.connect() as connection:
        found = {kind.__name__: list(connection.scalars(select(table.c.name))) for kind, table in KINDS.items()}
        outcomes = Counter(connection.scalars(select(ledger.c.outcome)))
    assert Counter(name for names in found.values() for name in names) == sent
    assert all(name.startswith(kind) for kind, names in found.items() for name in names)
    assert outcomes == {"applied": sent.total(), "dead": sum(len(dead.messages) for _, _, dead in made)}
    for drain_engine, _, _ in made:
        drain_engine.dispose()
