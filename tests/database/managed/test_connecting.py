"""Connections that are refused, lost or dead."""

import shutil
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from penstock.consumer.faults.sqlstate import fault_of
from penstock.consumer.faults.tree import DeploymentFault, EnvironmentFault
from penstock.database import Hooks, ManagedEngine
from penstock.local.postgres import Postgres
from penstock.testing.database import FAST
from tests.support.folders import server_folder
from tests.support.managed import GRANTED, FewConnections, invocation
from tests.support.proxy import proxied

pytestmark = pytest.mark.server

Make = Callable[..., ManagedEngine]
ONE = text("SELECT 1")
PID = text("SELECT pg_backend_pid()")


@pytest.fixture
def restarted() -> Iterator[Postgres]:
    """A server to be restarted."""
    folder = server_folder()
    server = Postgres(folder, settings=FAST)
    server.start()
    yield server
    server.stop()
    shutil.rmtree(folder, ignore_errors=True)


def pid_of(instance: ManagedEngine) -> int:
    """Return the server process of an instance's connection."""
    with instance.transaction() as connection:
        return int(connection.execute(PID).scalar_one())


def test_a_connection_is_kept_between_invocations(instance: Make) -> None:
    """The next invocation uses the connection of the last one."""
    database = instance()
    handle = database.handler(lambda _event, _context: pid_of(database))
    assert handle({}, invocation()) == handle({}, invocation())
    assert database.get_stats().connects == 1


@pytest.mark.parametrize("backoff", ["full", "decorrelated", lambda _last, attempts: 0.01 * attempts])
def test_a_server_without_a_free_connection_is_tried_again(
    few: FewConnections, instance: Make, backoff: Any
) -> None:
    """A connection that is refused because all are in use (53300) is made as soon as one is free."""
    retries: list[tuple[str, int, float]] = []
    free = threading.Event()

    def note(error: BaseException, attempts: int, wait: float) -> None:
        retries.append((str(error), attempts, wait))
        free.set()

    database = instance(utilization=None, backoff=backoff, hooks=Hooks(on_retry=note))
    with few.occupied(GRANTED) as held:

        def release() -> None:
            assert free.wait(10)
            held.pop().close()

        other = threading.Thread(target=release)
        other.start()
        assert pid_of(database)
        other.join()
    assert "connection slots are reserved" in retries[0][0]
    assert [attempts for _, attempts, _ in retries] == list(range(1, len(retries) + 1))
    assert all(0 <= wait <= 1 for *_, wait in retries)
    stats = database.get_stats()
    assert (stats.connects, stats.retries, stats.errors) == (1, len(retries), len(retries))


def test_a_server_that_refuses_connections_is_tried_again(few: FewConnections, instance: Make) -> None:
    """A connection that nobody accepts is made as soon as the server is back."""
    with proxied(few.url) as (url, proxy):
        database = instance(url, hooks=Hooks(on_retry=lambda *_: proxy.accept()))
        proxy.refuse()
        assert pid_of(database)
        assert database.get_stats().retries >= 1
        database.close()


def test_a_restart_of_the_server_costs_no_request(restarted: Postgres, instance: Make) -> None:
    """The next invocation waits until the server is back, and has a new connection."""
    database = instance(restarted.url())
    before = pid_of(database)
    restarted.stop()
    other = threading.Thread(target=restarted.start)
    retried = database.handler(lambda *_: pid_of(database))
    other.start()
    assert retried({}, invocation()) != before
    other.join()
    stats = database.get_stats()
    assert (stats.lost, stats.connects) == (1, 2)
    assert stats.retries > 0
    database.close()


def test_connecting_ends_in_time(few: FewConnections, instance: Make) -> None:
    """Without a free connection, the error of the last attempt comes before the invocation's deadline."""
    database = instance(utilization=None)
    context = invocation(2)

    def handle(_event: object, _context: object) -> None:
        with database.transaction():
            raise AssertionError

    with few.occupied(GRANTED), pytest.raises(OperationalError, match="connection slots are reserved"):
        database.handler(handle)({}, context)
    assert 0 < context.get_remaining_time_in_millis() < 1500
    assert database.get_stats().retries > 1


def test_a_silent_server_does_not_outlast_the_invocation(few: FewConnections, instance: Make) -> None:
    """An attempt that gets no answer is given up on before the invocation's deadline."""
    with proxied(few.url) as (url, proxy):
        database = instance(url)
        proxy.freeze()
        context = invocation(4)
        with pytest.raises(OperationalError):
            database.handler(lambda *_: pid_of(database))({}, context)
        assert context.get_remaining_time_in_millis() > 0


@pytest.mark.parametrize(
    ("old", "new"), [("open-sesame", "wrong"), ("shop:", "nobody:"), ("/postgres", "/nowhere")]
)
def test_what_would_be_refused_again_is_not_tried_again(
    few: FewConnections, instance: Make, old: str, new: str
) -> None:
    """A wrong password, role or database is an error at once."""
    database = instance(few.url.replace(old, new))
    with pytest.raises(OperationalError) as refused:
        pid_of(database)
    assert database.get_stats().retries == 0
    assert database.get_stats().errors == 1
    assert isinstance(fault_of(refused.value), DeploymentFault)


def test_a_full_server_is_no_refused_password(few: FewConnections, instance: Make) -> None:
    """The server looks for a free connection after the password: that is an outage, not a wrong password."""
    database = instance(utilization=None, connect_seconds=0.1)
    with few.occupied(GRANTED), pytest.raises(OperationalError) as refused:
        pid_of(database)
    assert isinstance(fault_of(refused.value), EnvironmentFault)


def test_a_statement_is_never_sent_twice(few: FewConnections, instance: Make, admin: psycopg.Connection) -> None:
    """After a connection is lost in a transaction, the error is the caller's: nobody knows what was committed."""
    database = instance()
    calls = []

    def work(connection: Any) -> None:
        calls.append(connection.execute(PID).scalar_one())
        admin.execute("SELECT pg_terminate_backend(%s, 5000)", [calls[-1]])
        connection.execute(ONE)

    with pytest.raises(OperationalError):
        database.run(work)
    assert len(calls) == 1
    assert database.get_stats().retries == 0
    assert pid_of(database) != calls[0]
    assert database.get_stats().lost == 1


@pytest.mark.parametrize("death", ["terminated", "reset", "silent"])
def test_a_socket_that_died_while_the_instance_was_frozen_costs_no_request(
    few: FewConnections, instance: Make, admin: psycopg.Connection, death: str
) -> None:
    """The invocation after a freeze gets a new connection, also if the old one is dead without a sign of it."""
    with proxied(few.url) as (url, proxy):
        database = instance(url)
        handle = database.handler(lambda *_: pid_of(database))
        before = handle({}, invocation())
        if death == "terminated":
            admin.execute("SELECT pg_terminate_backend(%s, 5000)", [before])
        elif death == "reset":
            proxy.cut()
        else:
            proxy.stall()
        begun = time.monotonic()
        assert handle({}, invocation()) != before
        assert time.monotonic() - begun < 5
        stats = database.get_stats()
        assert (stats.lost, stats.connects, stats.errors) == (1, 2, 0)
        database.close()


def test_a_request_that_hangs_is_cut_off_and_cancelled(
    few: FewConnections, instance: Make, admin: psycopg.Connection
) -> None:
    """A statement that would outlast the invocation is cancelled on the server too, so that its locks are free."""
    database = instance()
    admin.execute("CREATE TABLE IF NOT EXISTS guarded (id int); GRANT ALL ON guarded TO shop")

    def handle(_event: object, _context: object) -> None:
        with database.transaction() as connection:
            connection.execute(text("SELECT * FROM guarded"))

    context = invocation(2)
    with admin.transaction():
        admin.execute("LOCK TABLE guarded")
        with pytest.raises(OperationalError, match="statement timeout"):
            database.handler(handle)({}, context)
        assert {state for _, _, state in few.sessions()} == {"idle"}
    assert context.get_remaining_time_in_millis() > 0


def test_a_frozen_server_is_cut_off(few: FewConnections, instance: Make) -> None:
    """A statement whose answer never comes ends before the invocation does."""
    with proxied(few.url) as (url, proxy):
        database = instance(url)

        def handle(_event: object, _context: object) -> None:
            with database.transaction() as connection:
                proxy.freeze()
                connection.execute(ONE)

        context = invocation(3)
        with pytest.raises(OperationalError):
            database.handler(handle)({}, context)
        assert context.get_remaining_time_in_millis() > 0
        proxy.thaw()
        database.close()
