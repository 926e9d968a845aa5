"""Migrations of the framework's own tables that hold data."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from uuid import UUID

import psycopg
import pytest
from sqlalchemy.exc import DBAPIError

from penstock.database import make_engine, migrate, retention
from penstock.database.retention import ROTATED
from penstock.database.watchdog import Watchdog
from penstock.intents import encode_envelope
from tests.support.drain import Bench, ThingMade
from tests.support.holds import release, store_of
from tests.support.migrations import migrate_to
from tests.support.pgbouncer import pgbouncer
from tests.support.project import ROOT
from tests.support.retention import A_MONTH_LATER


def test_the_ledger_survives_its_migrations(empty_database: str) -> None:
    """Older entries are known after the upgrade, and the entries of both generations after a downgrade."""
    migrate_to(empty_database, "0002")
    enter = "INSERT INTO penstock.ledger (id, kind, outcome, stated_at) VALUES (%s, 'k', %s, now())"
    entries = "SELECT outcome FROM penstock.ledger ORDER BY id"
    with psycopg.connect(empty_database, autocommit=True) as connection:
        connection.execute(enter, [UUID(int=1), "applied"])
        migrate.upgrade(empty_database)
        assert connection.execute(entries).fetchall() == [("applied",)]
        connection.execute(A_MONTH_LATER)
        engine = make_engine(empty_database)
        assert retention.prune(Watchdog(engine), 20).rotation == ROTATED
        engine.dispose()
        connection.execute(enter, [UUID(int=1), "stale"])
        connection.execute(enter, [UUID(int=2), "applied"])
        connection.execute("UPDATE penstock.ledger_past SET digest = 7, reused_at = now()")
        migrate_to(empty_database, "0002", down=True)
        assert connection.execute(entries).fetchall() == [("stale",), ("applied",)]
        migrate.upgrade(empty_database)
        assert connection.execute(entries).fetchall() == [("stale",), ("applied",)]


def test_migrations_run_through_a_pooler(empty_database: str) -> None:
    """Behind PgBouncer in transaction mode, two upgrades at once apply each revision once, and both succeed."""
    with pgbouncer(empty_database) as pooled, ThreadPoolExecutor(2) as threads:
        applied = list(threads.map(lambda url: migrate.upgrade(url, ROOT / "infra" / "migrations"), [pooled] * 2))
    every = [revision for one in applied for revision in one]
    assert len(every) == len(set(every))
    assert {"penstock 0001", "service 0001"} <= set(every)


def test_drains_go_on_during_the_upgrade(empty_database: str) -> None:
    """A ledger gets its new outcome while drains write: none of them fails, and each intent is written once."""
    migrate_to(empty_database, "0006")
    engine = make_engine(empty_database)
    bench = Bench(engine)
    made, upgraded = [ThingMade(name=f"t{n}") for n in range(200)], threading.Event()

    def drain() -> list[str]:
        failed = []
        for number, thing in enumerate(made):
            failed += bench([thing])
            if number == len(made) // 2:
                upgraded.wait(30)
        return failed

    with ThreadPoolExecutor(1) as threads:
        draining = threads.submit(drain)
        try:
            assert migrate.upgrade(empty_database)[:1] == ["penstock 0007"]
        finally:
            upgraded.set()
        assert draining.result(30) == []
    assert bench.outcomes == {thing.intent_id: "applied" for thing in made}
    engine.dispose()


def test_nothing_that_is_held_is_dropped_by_a_downgrade(empty_database: str) -> None:
    """The downgrade refuses while intents are parked; expired intents stay settled."""
    migrate.upgrade(empty_database)
    engine = make_engine(empty_database)
    bench, store = Bench(engine), store_of(engine)
    late = encode_envelope(ThingMade(name="late"), id=UUID(int=1), source="/t", expires_at=datetime.now(UTC))
    store.hold("thing.made", None, "me")
    assert bench([ThingMade(name="a"), late]) == []
    with pytest.raises(DBAPIError, match="release them first"):
        migrate_to(empty_database, "0006", down=True)
    assert release(store, bench.queue, "thing.made") == 1
    migrate_to(empty_database, "0006", down=True)
    assert bench.outcomes[UUID(int=1)] == "stale"
    engine.dispose()
