"""Statements that a session keeps: Postgres does not parse them again, and no batch depends on them."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import Connection, Engine, text

from penstock.consumer import Custom
from penstock.consumer.pipeline.set_sender import FEW
from penstock.consumer.pipeline.trip import Trip
from penstock.database import make_engine
from tests.support.drain import Bench, LaterKind, ThingMade
from tests.support.pgbouncer import PROGRAMS, run_pgbouncer
from tests.support.statements import recorded

KEPT = text("SELECT name, statement FROM pg_prepared_statements WHERE name LIKE 'penstock%' ORDER BY name")


@pytest.fixture
def bench(engine: Engine) -> Bench:
    return Bench(engine)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as found:
        yield found
        found.connection.rollback()


def kept(engine: Engine) -> dict[str, str]:
    """Return the statements that the session of the engine's connection keeps."""
    with engine.connect() as connection:
        return {row.name: row.statement for row in connection.execute(KEPT)}


def things(count: int, word: str) -> list[ThingMade]:
    return [ThingMade(name=f"{word} {number}", size=number) for number in range(count)]


def test_what_every_small_batch_needs_is_kept(bench: Bench) -> None:
    """Once it is known that no pooler is between, a session keeps the settings and the statement of a kind."""
    bench(things(3, "first"))
    assert kept(bench.engine) == {}
    for turn in range(8):
        assert bench(things(3, f"turn {turn}")) == []
    found = [*kept(bench.engine).values()]
    assert len(found) == 2
    assert sum("statement_timeout" in statement for statement in found) == 1
    assert sum("penstock_intent_id" in statement for statement in found) == 1
    assert len(bench.names) == 27


def test_a_statement_for_many_is_planned_for_them(bench: Bench) -> None:
    """Parts of a large batch are larger, and their statements are not kept: a plan for few rows would be slow."""
    bench(things(1, "first"))
    for turn in range(3):
        assert bench(things(20 * (FEW + 1), f"turn {turn}")) == []
    (found,) = kept(bench.engine).values()
    assert "statement_timeout" in found


def test_the_ledger_is_not_asked_by_a_plan_for_few(bench: Bench) -> None:
    """Whether it has an id of a `Custom` function is planned for the ledger of the moment: it is not kept."""
    bench.drain.write(LaterKind, Custom(lambda *_: None))
    statements = recorded(bench.engine)
    for turn in range(3):
        assert bench([*things(3, f"turn {turn}"), LaterKind(x=turn)]) == []
    assert sum("SELECT 1 / CASE" in statement for statement in statements) == 3
    assert not [statement for statement in kept(bench.engine).values() if "SELECT 1 / CASE" in statement]


@pytest.mark.parametrize("lost", ["forgotten", "taken"])
def test_a_session_that_is_shared_after_all(bench: Bench, lost: str) -> None:
    """If a name is unknown or taken, the batch is written all the same, and nothing more is kept."""
    for turn in range(2):
        bench(things(3, f"turn {turn}"))
    with bench.engine.connect() as connection:
        if lost == "forgotten":
            connection.exec_driver_sql("DEALLOCATE ALL")
        else:
            del connection.info["penstock prepared"]
    statements = recorded(bench.engine)
    for turn in range(2, 8):
        assert bench(things(3, f"turn {turn}")) == []
    assert len(bench.names) == 24
    assert bench.letters == []
    if lost == "forgotten":
        assert kept(bench.engine) == {}
    # Only the first batch after that was tried twice, and not committed in a trip.
    assert sum(statement == "COMMIT" for statement in statements) >= 5


def test_a_function_that_forgets_them(engine: Engine) -> None:
    """A `Custom` function may forget all statements of its session: each intent is written once."""
    bench = Bench(engine)

    def forget(connection: Connection, _: Any) -> None:
        connection.exec_driver_sql("DEALLOCATE ALL")

    bench.drain.write(LaterKind, Custom(forget))
    for turn in range(6):
        assert bench([*things(3, f"turn {turn}"), LaterKind(x=turn)]) == []
    assert len(bench.names) == 18
    assert len(bench.outcomes) == 24
    assert bench.letters == []


def test_a_table_that_changes_meanwhile(bench: Bench) -> None:
    """A column gets another type, or a table is replaced: what is kept writes the right rows."""
    changes = [
        "ALTER TABLE things ALTER size TYPE bigint",
        "ALTER TABLE things ADD later integer DEFAULT 7",
        "ALTER TABLE things RENAME TO old; CREATE TABLE things AS TABLE old; DROP TABLE old",
        "ANALYZE things",
        "SELECT 1",
    ]
    for number, change in enumerate(changes):
        for turn in range(7):
            assert bench(things(5, f"{number} {turn}")) == []
        with bench.engine.begin() as connection:
            connection.exec_driver_sql(change)
    with bench.engine.connect() as connection:
        found = connection.exec_driver_sql("SELECT count(*), sum(size), min(later) FROM things").one()
    assert tuple(found) == (5 * 7 * 5, 5 * 7 * 10, 7)
    assert bench.letters == []


def test_a_name_is_that_of_one_statement(connection: Connection) -> None:
    """Statements of other texts, or of the same text with other types, are kept under other names."""
    with Trip(connection, lambda: None) as trip:
        trip.send(b"SELECT 1")
    with Trip(connection, lambda: None) as trip:
        for _ in range(2):
            trip.send(b"SELECT 1", keep=True)
            trip.send(b"SELECT $1", [b"1"], [23], keep=True)
    with Trip(connection, lambda: None) as trip:
        trip.send(b"SELECT 2", keep=True)
    assert len({row.name for row in connection.execute(KEPT)}) == 3


def test_what_follows_an_error_is_kept_at_the_next_use(connection: Connection) -> None:
    """A statement that Postgres skipped, because one before it failed, is kept once it comes again."""
    with Trip(connection, lambda: None) as trip:
        trip.send(b"SELECT 1")
    trip = Trip(connection, lambda: None)
    trip.__enter__()
    trip.send(b"SELECT 1 / 0")
    trip.send(b"SELECT 3", keep=True)
    with pytest.raises(psycopg.errors.DivisionByZero):
        trip.__exit__(None, None, None)
    connection.connection.rollback()
    with Trip(connection, lambda: None) as trip:
        trip.send(b"SELECT 3", keep=True)
    assert [row.statement for row in connection.execute(KEPT)] == ["SELECT 3"]


@pytest.mark.server
@pytest.mark.parametrize("program", PROGRAMS)
def test_nothing_is_kept_behind_a_pooler(engine: Engine, database_url: str, program: str) -> None:
    """Through PgBouncer no statement is prepared by name, whatever it says about prepared statements."""
    with run_pgbouncer(database_url, program=program, pool_size=1) as pooler:
        pooled = make_engine(pooler.url, pre_ping=False)
        Bench(engine)
        bench = Bench(pooled)
        for turn in range(4):
            assert bench(things(3, f"turn {turn}")) == []
        assert kept(pooled) == {}
        assert len(bench.names) == 12
        pooled.dispose()
