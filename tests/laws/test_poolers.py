"""PgBouncer in transaction mode, between several drains and one database."""

import shutil
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from sqlalchemy import Column, Engine, Integer, MetaData, Table, Text, Uuid, select

from penstock import WriteIntent
from penstock.consumer import Append, Drain
from penstock.database import ledger, make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from penstock.local.processes import wait_until
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from penstock.testing.database import FAST
from tests.support.consumers import Seen, deliver, tables
from tests.support.folders import server_folder
from tests.support.pgbouncer import NEWER, PROGRAMS, run_pgbouncer
from tests.support.shared_pool import DRAINS, SharedPool

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


# PgBouncer 1.18 has no such setting, and knows no prepared statements.
CASES: list[tuple[str, int, dict[str, str]]] = [("pgbouncer", 1, {})]
if NEWER:
    CASES += [(NEWER, 2, {"max_prepared_statements": "0"}), (NEWER, 1, {"max_prepared_statements": "200"})]


@pytest.fixture(params=CASES, ids=lambda case: "-".join([Path(case[0]).name, *case[2].values()]))
def pooled_url(database_url: str, request: pytest.FixtureRequest) -> Iterator[str]:
    """The database through a PgBouncer with one or two connections."""
    program, pool_size, settings = request.param
    with run_pgbouncer(database_url, program=program, pool_size=pool_size, **settings) as pooler:
        yield pooler.url


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


@pytest.fixture(scope="module")
def own_server() -> Iterator[Postgres]:
    """A server that a test may kill."""
    folder = server_folder()
    server = Postgres(folder, settings=FAST)
    server.start()
    try:
        upgrade(server.url())
        yield server
    finally:
        server.stop()
        shutil.rmtree(folder, ignore_errors=True)


def test_every_mode_lands_through_a_shared_pool(engine: Engine, pooled_url: str) -> None:
    """Four drains that share one or two connections write every mode, poison beside good intents, exactly once."""
    shared = SharedPool(engine, pooled_url)
    shared.run()
    shared.check()
    large = sqs_event([Seen(path=f"/{number}") for number in range(3000)])["Records"]
    assert deliver(shared.drains[0], large) == []
    assert tables(engine)["Our Views"].total() == 3000 + shared.expected[0]["Our Views"].total()
    shared.dispose()


def test_ordered_messages_land_through_a_shared_pool(engine: Engine, pooled_url: str) -> None:
    """Batches of a FIFO queue, each through another drain, leave what they leave without a pooler."""
    shared = SharedPool(engine, pooled_url)
    for number, record in enumerate(shared.records):
        record["attributes"] |= {"MessageGroupId": str(number % 3), "SequenceNumber": f"{number:020}"}
    for start in range(0, len(shared.records), 10):
        drain = shared.drains[start // 10 % DRAINS]
        assert deliver(drain, shared.records[start : start + 10]) == []
    shared.check()
    shared.dispose()


@pytest.mark.server
@pytest.mark.parametrize("program", PROGRAMS)
def test_a_disturbed_pooler_loses_and_repeats_nothing(own_server: Postgres, program: str) -> None:
    """While a pooler is paused, reloaded, killed and loses its server, each intent takes effect once."""
    engine = make_engine(own_server.url())
    waits = {"server_login_retry": "1", "query_wait_timeout": "5"}
    with run_pgbouncer(own_server.url(), program=program, pool_size=2, **waits) as pooler:
        shared = SharedPool(engine, pooler.url)

        def a_client_is(state: str) -> None:
            assert wait_until(lambda: any(pool[f"cl_{state}"] for pool in pooler.console("SHOW POOLS")), 20)

        def disturb() -> None:
            a_client_is("active")
            pooler.console("PAUSE")
            a_client_is("waiting")
            for command in ("RESUME", "SET server_lifetime = 0", "RECONNECT", "RELOAD", "KILL postgres"):
                pooler.console(command)
            pooler.console("RESUME postgres")
            for crashed in (pooler, own_server):
                a_client_is("active")
                crashed.kill()
                crashed.start()
            a_client_is("active")

        shared.run(disturb)
        shared.check()
        shared.dispose()
    engine.dispose()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_batch_that_waits_too_long_for_the_pooler_goes_back(
    engine: Engine, database_url: str, program: str
) -> None:
    """After query_wait_timeout nothing is dead-lettered; the batch lands once the pooler has a connection."""
    with run_pgbouncer(database_url, program=program, pool_size=1, query_wait_timeout="1") as pooler:
        shared, other = SharedPool(engine, pooler.url), make_engine(pooler.url)
        assert deliver(shared.drains[0], shared.records[:1]) == []
        with other.begin() as holder:
            holder.execute(select(1))
            assert deliver(shared.drains[0], shared.records) == shared.records
        shared.run()
        shared.check()
        shared.dispose()
        other.dispose()


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_server_connection_that_the_pooler_closed_is_replaced(
    engine: Engine, database_url: str, program: str
) -> None:
    """After server_idle_timeout the next batch lands in the same invocation."""
    with run_pgbouncer(database_url, program=program, pool_size=1, server_idle_timeout="1") as pooler:
        shared = SharedPool(engine, pooler.url)
        assert deliver(shared.drains[0], shared.records[:5]) == []
        assert wait_until(lambda: not pooler.console("SHOW SERVERS"), 10)
        assert deliver(shared.drains[0], shared.records) == []
        shared.check()
        shared.dispose()
