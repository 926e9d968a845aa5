"""Migrations of the framework's own tables that hold data."""

from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import psycopg

from penstock.database import make_engine, migrate, retention
from penstock.database.retention import ROTATED
from penstock.database.watchdog import Watchdog
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
