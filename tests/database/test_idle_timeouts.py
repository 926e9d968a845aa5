"""The server's own timeouts of idle sessions."""

from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors, sql
from sqlalchemy import make_url, text

from penstock.database import make_engine, managed_engine
from penstock.database.engine import _RECYCLE_SECONDS
from penstock.database.idle_timeouts import IDLE_TIMEOUTS, TimeoutsRefused, set_idle_timeouts
from penstock.database.watchdog import Watchdog
from penstock.local.processes import wait_until
from tests.support.pgbouncer import pgbouncer

ROLE = 'Web:"50%"'
SHOW = "SELECT current_setting('idle_session_timeout'), current_setting('idle_in_transaction_session_timeout')"


@pytest.fixture
def role_url(empty_database: str) -> Iterator[str]:
    """The URL of a database for a role that has no right but to log in, with a name that has to be quoted."""
    with psycopg.connect(empty_database, autocommit=True) as admin:
        admin.execute(sql.SQL("CREATE ROLE {} LOGIN PASSWORD 'x'").format(sql.Identifier(ROLE)))
        yield make_url(empty_database).set(username=ROLE, password="x").render_as_string(hide_password=False)
        admin.execute(sql.SQL("DROP ROLE {}").format(sql.Identifier(ROLE)))


def set_timeouts(url: str, role: str | None = None) -> str:
    """Set the timeouts with a role, and return for whom they were set."""
    engine = make_engine(url)
    try:
        return set_idle_timeouts(Watchdog(engine), role).role
    finally:
        engine.dispose()


def shown(url: str) -> Any:
    with psycopg.connect(url) as connection:
        return connection.execute(SHOW).fetchone()


def test_a_role_sets_its_own(role_url: str) -> None:
    """A role without rights may set the timeouts for itself, twice, and new sessions have them."""
    for _ in range(2):
        assert set_timeouts(role_url) == ROLE
    assert shown(role_url) == ("5min", "1min")


def test_another_role_sets_them(empty_database: str, role_url: str) -> None:
    """Who may alter the role of the functions sets theirs, and not the own ones."""
    assert set_timeouts(empty_database, ROLE) == ROLE
    assert shown(role_url) == ("5min", "1min")
    assert shown(empty_database) == ("0", "0")


def test_a_role_without_the_right_is_told_the_statement(role_url: str) -> None:
    """The error has the statement for somebody who may."""
    with pytest.raises(
        TimeoutsRefused, match=r'run: ALTER ROLE "postgres" IN DATABASE "empty.*" SET "idle_session'
    ):
        set_timeouts(role_url, "postgres")


def test_a_pooler_is_refused(empty_database: str) -> None:
    """Behind a pooler they would end the connections that it shares among its clients."""
    with pgbouncer(empty_database) as pooled, pytest.raises(TimeoutsRefused, match="server_idle_timeout"):
        set_timeouts(pooled)


def test_an_engine_needs_no_session_that_they_end() -> None:
    """An engine replaces a connection sooner than the server ends an idle one."""
    assert IDLE_TIMEOUTS["idle_session_timeout"] == "5min"
    assert _RECYCLE_SECONDS < 5 * 60


@pytest.mark.parametrize("engine", ["managed", "pre_ping"])
def test_a_session_that_the_server_ended_costs_no_request(role_url: str, engine: str) -> None:
    """The next use of an ended session's engine has a new one, without an error."""
    with psycopg.connect(role_url, autocommit=True) as connection:
        name = sql.Identifier(ROLE)
        connection.execute(sql.SQL("ALTER ROLE {} SET idle_session_timeout = '50ms'").format(name))
        connection.execute("SET idle_session_timeout = 0")
        made = managed_engine(role_url).engine if engine == "managed" else make_engine(role_url)
        query = text("SELECT pg_backend_pid()")
        with made.begin() as first:
            ended = first.execute(query).scalar_one()
        alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
        assert wait_until(lambda: connection.execute(alive, [ended]).fetchone() == (0,), 10)
        with made.begin() as second:
            assert second.execute(query).scalar_one() != ended
        made.dispose()


def test_an_abandoned_transaction_is_ended_by_the_server(role_url: str, empty_database: str) -> None:
    """A transaction that nobody ends gives up its locks."""
    alive = "SELECT count(*) FROM pg_stat_activity WHERE pid = %s"
    with psycopg.connect(empty_database, autocommit=True) as admin, psycopg.connect(role_url) as connection:
        connection.execute("SET LOCAL idle_in_transaction_session_timeout = '50ms'")
        process = connection.info.backend_pid
        assert wait_until(lambda: admin.execute(alive, [process]).fetchone() == (0,), 10)
        with pytest.raises(errors.IdleInTransactionSessionTimeout):
            connection.execute("SELECT 1")
