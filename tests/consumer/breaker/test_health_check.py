"""The health check, on a real Postgres that is frozen and made a reader."""

import time

import psycopg
import pytest
from sqlalchemy import text

from penstock.consumer.breaker.event_source import MARK
from penstock.local.postgres import Postgres
from tests.support.breaker import Bench
from tests.support.lambdas import LambdaStub

UNWELL = {
    "a reader": "ALTER DATABASE postgres SET default_transaction_read_only = on",
    "a standby that does not answer": "ALTER SYSTEM SET synchronous_standby_names = 'nobody'",
}


@pytest.mark.parametrize("what", UNWELL)
def test_a_database_that_cannot_write_or_commit_is_unwell(server: Postgres, aws: LambdaStub, what: str) -> None:
    """A server that reads but cannot write, or writes but cannot commit, keeps the drain off."""
    aws.on, aws.tags = False, {MARK: "then"}
    run(server, UNWELL[what])
    bench = Bench(server.url(), aws)
    try:
        assert bench.probe() == "open"
    finally:
        run(server, "ALTER DATABASE postgres RESET default_transaction_read_only", "ALTER SYSTEM RESET ALL")
    assert bench.probe() == "half-open"
    bench.engine.dispose()


def run(server: Postgres, *statements: str) -> None:
    with psycopg.connect(server.url(), autocommit=True) as connection:
        # The repair itself must not fail in read-only mode, or wait for the missing standby.
        connection.execute("SET default_transaction_read_only = off; SET synchronous_commit = local")
        for statement in statements:
            connection.execute(statement)
        reload(connection)


def reload(connection: psycopg.Connection) -> None:
    """Reload the settings, and wait until they hold: the checkpointer says if a commit waits for a standby."""
    loaded, end = connection.execute("SELECT pg_conf_load_time()").fetchone(), time.monotonic() + 30
    connection.execute("SELECT pg_reload_conf()")
    while connection.execute("SELECT pg_conf_load_time()").fetchone() == loaded:
        assert time.monotonic() < end
    # The checkpointer reads the settings before it begins.
    connection.execute("CHECKPOINT")


def test_a_frozen_database_is_unwell(server: Postgres, bench: Bench) -> None:
    """A server that has stopped responding holds the probe only for its time limits, and is unwell."""
    bench.aws.on, bench.aws.tags = False, {MARK: "then"}
    assert bench.probe() == "half-open"
    bench.aws.on = False
    server.freeze()
    assert bench.probe() == "open"
    server.thaw()
    assert bench.probe() == "half-open"


def test_a_health_check_leaves_nothing_behind(bench: Bench) -> None:
    """The row of a health check is in no table afterwards."""
    with bench.engine.connect() as connection:
        before = connection.scalar(text("SELECT count(*) FROM penstock.ledger"))
    bench.aws.tags = {MARK: "then"}
    assert bench.probe() == "closed"
    with bench.engine.connect() as connection:
        assert connection.scalar(text("SELECT count(*) FROM penstock.ledger")) == before
