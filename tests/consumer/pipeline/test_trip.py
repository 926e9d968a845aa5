"""A round trip of several statements."""

import threading
import time
from collections.abc import Iterator

import psycopg
import pytest
from psycopg.pq.abc import PGresult
from sqlalchemy import Connection, Engine, text
from sqlalchemy.exc import OperationalError

from penstock.consumer.pipeline.trip import Trip
from penstock.database.watchdog import Watchdog
from penstock.local.processes import wait_until

TEXT = 25
LOST = (psycopg.OperationalError, OperationalError)


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as found:
        yield found
        roll_back(found)


def roll_back(connection: Connection) -> None:
    """Roll back what SQLAlchemy does not know of."""
    connection.connection.rollback()


class Taken:
    """The first value of each result."""

    def __init__(self) -> None:
        self.values: list[str] = []

    def __call__(self, result: PGresult) -> None:
        self.values.append((result.get_value(0, 0) or b"").decode())


def trip(connection: Connection) -> Trip:
    return Trip(connection, lambda: None)


def _send(connection: Connection, *statements: bytes) -> None:
    with trip(connection) as there:
        for statement in statements:
            there.send(statement)


def test_all_statements_are_answered_in_order(connection: Connection) -> None:
    """Each result comes to its own statement, and the connection can be used as before afterwards."""
    taken = Taken()
    with trip(connection) as there:
        for number in range(5):
            there.send(b"SELECT $1 || 'b'", [f"a{number}".encode()], [TEXT], on_result=taken)
            there.send(b"SELECT 1")
    assert taken.values == [f"a{number}b" for number in range(5)]
    assert connection.scalar(text("SELECT 2")) == 2


def test_a_refusal_is_seen_before_it_is_waited_for(connection: Connection) -> None:
    """What has arrived is taken without a wait, and tells of an error, which the wait raises."""
    taken = Taken()
    with trip(connection) as there:
        assert not there.take_arrived()
        there.send(b"SELECT 'before'", on_result=taken)
        there.send(b"SELECT 1 / 0")
        there.send(b"SELECT 'behind'", on_result=taken)
        there.flush()
        assert wait_until(there.take_arrived, 10)
        assert taken.values == ["before"]
        with pytest.raises(psycopg.errors.DivisionByZero):
            there.wait()
        assert not there.take_arrived()
    assert taken.values == ["before"]


def test_enough_is_waited_for(connection: Connection) -> None:
    """The wait ends once enough has come, while others are under way, or once a statement is refused."""
    taken = Taken()
    with trip(connection) as there:
        there.send(b"SELECT 1", on_result=taken)
        assert not there.take_until(lambda: len(taken.values) == 1)
        assert taken.values == ["1"]
        there.send(b"SELECT 1 / 0")
        there.send(b"SELECT 2", on_result=taken)
        assert there.take_until(lambda: len(taken.values) == 2)
        with pytest.raises(psycopg.errors.DivisionByZero):
            there.wait()
    assert taken.values == ["1"]


def test_it_is_one_transaction_until_it_commits(connection: Connection, database_url: str) -> None:
    """It begins a transaction if there is none, goes on in one that has begun, and ends it if COMMIT is sent."""
    connection.exec_driver_sql("CREATE TABLE kept (n integer)")
    connection.commit()
    with trip(connection) as there:
        there.send(b"INSERT INTO kept VALUES (1)")
    roll_back(connection)
    connection.exec_driver_sql("INSERT INTO kept VALUES (2)")
    with trip(connection) as there:
        there.send(b"INSERT INTO kept VALUES (3)")
        there.send(b"COMMIT")
    roll_back(connection)
    with psycopg.connect(database_url) as other:
        assert other.execute("SELECT n FROM kept ORDER BY n").fetchall() == [(2,), (3,)]


def test_the_first_error_is_raised(connection: Connection) -> None:
    """What comes after a refused statement is not executed, not even COMMIT, and its error is the one raised."""
    connection.exec_driver_sql("CREATE TABLE kept (n integer)")
    connection.commit()
    with pytest.raises(psycopg.errors.DivisionByZero):
        _send(connection, b"INSERT INTO kept VALUES (1)", b"SELECT 1 / 0", b"SELECT no_such_column", b"COMMIT")
    roll_back(connection)
    assert connection.scalar(text("SELECT count(*) FROM kept")) == 0


def test_an_error_of_the_block_is_raised(connection: Connection) -> None:
    """An error of Python's is not hidden by one of Postgres, and the connection is left as it was."""

    def fail() -> None:
        with trip(connection) as there:
            there.send(b"SELECT 1 / 0")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    roll_back(connection)
    assert connection.scalar(text("SELECT 2")) == 2


def test_much_goes_both_ways(connection: Connection) -> None:
    """Neither side waits for the other while both have more to send than the network holds."""
    taken = Taken()
    large = b"x" * 20_000_000
    with trip(connection) as there:
        for _ in range(4):
            there.send(b"SELECT $1", [large], [TEXT], on_result=taken)
    assert [len(value) for value in taken.values] == [len(large)] * 4


def test_a_lost_connection_is_an_operational_error(connection: Connection, database_url: str) -> None:
    """Whether the server ends the session before a statement or during it, the error says so, and none is lost."""
    pid = connection.connection.driver_connection.info.backend_pid  # type: ignore[union-attr]
    with trip(connection) as there:
        there.send(b"SELECT 1")
    with psycopg.connect(database_url, autocommit=True) as other:
        other.execute("SELECT pg_terminate_backend(%s, 5000)", [pid])
    with pytest.raises(psycopg.OperationalError), trip(connection) as there:
        there.send(b"SELECT 1")
    connection.invalidate()


def test_the_watchdog_cuts_it_off(engine: Engine) -> None:
    """A server that does not answer holds nothing up beyond the limit, and other threads go on meanwhile."""
    ticks: list[float] = []
    done = threading.Event()

    def tick() -> None:
        while not done.wait(0.01):
            ticks.append(time.monotonic())

    thread = threading.Thread(target=tick)
    thread.start()
    started = time.monotonic()
    try:
        limited = Watchdog(engine).transaction(0.5)
        with (
            pytest.raises((psycopg.OperationalError, OperationalError)),
            limited as connection,
            trip(connection) as there,
        ):
            there.send(b"SELECT pg_sleep(30)")
    finally:
        done.set()
        thread.join()
    assert time.monotonic() - started < 15
    assert len(ticks) > 5


def test_each_wait_is_counted(connection: Connection) -> None:
    """A trip waits once, and once more for each pause, in which the connection can be used otherwise."""
    waits: list[None] = []
    with Trip(connection, lambda: waits.append(None)) as there:
        there.send(b"CREATE TEMPORARY TABLE here (n integer)")
        with there.paused():
            assert connection.scalar(text("SELECT count(*) FROM here")) == 0
        there.send(b"SELECT 1")
    assert len(waits) == 2


def test_behind_a_sync_postgres_goes_on(connection: Connection) -> None:
    """An error that is taken fails nothing else, and what stands before the next sync is skipped."""
    taken = Taken()
    errors: list[psycopg.Error] = []

    def take(error: psycopg.Error) -> bool:
        errors.append(error)
        return True

    with trip(connection) as there:
        there.send(b"SAVEPOINT here")
        there.send(b"SELECT 1 / 0", on_error=take)
        there.send(b"SELECT 'skipped'", on_result=taken)
        there.sync()
        there.send(b"ROLLBACK TO SAVEPOINT here")
        there.send(b"SELECT 'executed'", on_result=taken)
    assert taken.values == ["executed"]
    assert [error.sqlstate for error in errors] == ["22012"]


def test_an_error_that_is_not_taken_is_raised(connection: Connection) -> None:
    """If an error is refused by what could take it, the trip fails with it."""
    with pytest.raises(psycopg.errors.DivisionByZero), trip(connection) as there:
        there.send(b"SELECT 1 / 0", on_error=lambda _: False)
