"""The time of an entry in the ledger, on a real Postgres."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import psycopg
from sqlalchemy import Engine

from penstock.database.ledger_entries import find_entry
from penstock.local.processes import wait_until
from tests.support.modes import Bench, placed

LONGEST_SECONDS = 20
WAITING = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))"


def value_of(connection: psycopg.Connection, query: str) -> Any:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row[0]


def test_an_upsert_that_waits_for_its_row_is_settled_after_the_wait(engine: Engine, database_url: str) -> None:
    """The time in the ledger is that of the entry, not of the transaction: the status shows that drains wait."""
    bench, newer = Bench(engine), placed(2)
    bench(placed(1))
    # The connection is closed before the pool, so that the drain never waits for longer than this test.
    with ThreadPoolExecutor() as pool, psycopg.connect(database_url) as other:
        other.execute('SELECT FROM "Our Orders" FOR UPDATE')
        drained = pool.submit(bench, newer)
        assert wait_until(lambda: value_of(other, WAITING) == 1, LONGEST_SECONDS)
        released_at = value_of(other, "SELECT clock_timestamp()")
        other.rollback()
        drained.result(LONGEST_SECONDS)
    with engine.connect() as connection:
        entry = find_entry(connection, newer.intent_id)
    assert entry is not None
    assert entry.settled_at > released_at
