"""Migrations of the framework's own tables that hold data."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from penstock.database import make_engine, migrate, retention
from penstock.database.retention import ROTATED
from penstock.database.watchdog import Watchdog
from penstock.local.postgres import Postgres
from tests.support.project import ROOT
from tests.support.retention import A_MONTH_LATER
from tests.support.servers import pgbouncer


def migrate_to(url: str, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)

    def steps(current: Any, _context: Any) -> Any:
        return script._downgrade_revs(revision, current) if down else script._upgrade_revs(revision, current)

    engine = make_engine(url)
    with engine.begin() as connection, EnvironmentContext(config, script, fn=steps) as environment:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS penstock"))
        environment.configure(
            connection=connection, version_table_schema="penstock", version_table="alembic_version"
        )
        environment.run_migrations()
    engine.dispose()


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """The URL of a database without tables."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE before_generations")
        yield postgres.url("before_generations")
        connection.execute("DROP DATABASE before_generations WITH (FORCE)")


def test_the_ledger_survives_its_migrations(empty: str) -> None:
    """Older entries are known after the upgrade, and the entries of both generations after a downgrade."""
    migrate_to(empty, "0002")
    enter = "INSERT INTO penstock.ledger (id, kind, outcome, stated_at) VALUES (%s, 'k', %s, now())"
    entries = "SELECT outcome FROM penstock.ledger ORDER BY id"
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(enter, [UUID(int=1), "applied"])
        migrate.upgrade(empty)
        assert connection.execute(entries).fetchall() == [("applied",)]
        connection.execute(A_MONTH_LATER)
        engine = make_engine(empty)
        assert retention.prune(Watchdog(engine), 20).rotation == ROTATED
        engine.dispose()
        connection.execute(enter, [UUID(int=1), "stale"])
        connection.execute(enter, [UUID(int=2), "applied"])
        connection.execute("UPDATE penstock.ledger_past SET digest = 7, reused_at = now()")
        migrate_to(empty, "0002", down=True)
        assert connection.execute(entries).fetchall() == [("stale",), ("applied",)]
        migrate.upgrade(empty)
        assert connection.execute(entries).fetchall() == [("stale",), ("applied",)]


def test_migrations_run_through_a_pooler(empty: str) -> None:
    """Behind PgBouncer in transaction mode, two upgrades at once apply each revision once, and both succeed."""
    with pgbouncer(empty) as pooled, ThreadPoolExecutor(2) as threads:
        applied = list(threads.map(lambda url: migrate.upgrade(url, ROOT / "infra" / "migrations"), [pooled] * 2))
    every = [revision for one in applied for revision in one]
    assert len(every) == len(set(every))
    assert {"penstock 0001", "service 0001"} <= set(every)
