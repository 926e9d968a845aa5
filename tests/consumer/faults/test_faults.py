"""Faults of the database: real ones as far as they can be caused, and every SQLSTATE of Postgres."""

import time
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest
from psycopg import errors
from sqlalchemy import Engine, text
from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from penstock.consumer import (
    Append,
    ConflictFault,
    DataFault,
    DeploymentFault,
    Drain,
    EnvironmentFault,
    Fault,
    NotYetFault,
)
from penstock.consumer.faults.sqlstate import fault_of
from penstock.database import make_engine
from penstock.database.migrate import upgrade
from penstock.local.postgres import Postgres
from penstock.testing import LambdaContext, sqs_event
from tests.support.connections import CutOnce
from tests.support.drain import Bench, ThingMade, things

ALL_STATES = sorted(
    state for error in vars(errors).values() if isinstance(state := getattr(error, "sqlstate", None), str)
)
DATA_CLASSES = {"22", "23", "44", "54", "P0"}


def fault_for(sqlstate: str) -> Fault:
    return fault_of(DBAPIError("SELECT 1", None, errors.lookup(sqlstate)("some text")))


@pytest.mark.parametrize("sqlstate", ALL_STATES)
def test_only_errors_of_the_data_are_data_faults(sqlstate: str) -> None:
    """Of all errors of Postgres only data exceptions and violated constraints are data faults."""
    is_data = sqlstate[:2] in DATA_CLASSES and sqlstate != "2200H"
    fault = fault_for(sqlstate)
    assert isinstance(fault, DataFault) == is_data
    assert fault.cause.sqlstate == sqlstate
    assert fault.cause.reason == errors.lookup(sqlstate).__name__


@pytest.mark.parametrize(
    ("sqlstate", "expected"),
    [
        ("40001", ConflictFault),
        ("40P01", ConflictFault),
        ("55P03", ConflictFault),
        ("53300", EnvironmentFault),
        ("57P01", EnvironmentFault),
        ("57014", EnvironmentFault),
        ("25006", EnvironmentFault),
        ("08006", EnvironmentFault),
        ("XX000", EnvironmentFault),
        ("42P01", DeploymentFault),
        ("42501", DeploymentFault),
        ("28P01", DeploymentFault),
        ("3D000", DeploymentFault),
        ("0A000", DeploymentFault),
        ("23503", NotYetFault),
        ("23505", DataFault),
    ],
)
def test_each_sqlstate_has_its_fault(sqlstate: str, expected: type[Fault]) -> None:
    """The SQLSTATE of an error decides its fault."""
    assert type(fault_for(sqlstate)) is expected


def test_errors_without_a_sqlstate_are_faults_too() -> None:
    """An exhausted pool and a refused connection are environment faults, a wrong password is a deployment's."""
    assert type(fault_of(PoolTimeout())) is EnvironmentFault
    refused = OperationalError("", None, psycopg.OperationalError("connection refused"))
    wrong = OperationalError(
        "", None, psycopg.OperationalError('FATAL:  password authentication failed for user "u"')
    )
    assert type(fault_of(refused)) is EnvironmentFault
    assert type(fault_of(wrong)) is DeploymentFault
    assert "user" not in str(fault_of(wrong))


def test_a_fault_holds_no_value(engine: Engine) -> None:
    """The text of a fault names the constraint, and not the value that violated it."""
    with engine.begin() as connection:
        connection.execute(text("CREATE TABLE t (a text CONSTRAINT short CHECK (length(a) < 3))"))
    with engine.connect() as connection, pytest.raises(DBAPIError) as caught:
        connection.execute(text("INSERT INTO t VALUES ('hunter2')"))
    fault = fault_of(caught.value)
    assert "hunter2" in str(caught.value.orig)
    assert str(fault) == "CheckViolation: sqlstate 23514, constraint short, table t"


@pytest.fixture
def server(tmp_path: Any) -> Iterator[Postgres]:
    """Start a server that a test can kill or freeze."""
    server = Postgres(tmp_path)
    server.start()
    yield server
    server.stop()


@pytest.fixture
def bench(server: Postgres) -> Iterator[Bench]:
    """Make a drain that writes to that server."""
    upgrade(server.url())
    bench = Bench(make_engine(server.url()))
    yield bench
    bench.engine.dispose()


def test_a_killed_database_dead_letters_nothing(server: Postgres, bench: Bench) -> None:
    """While Postgres is down the whole batch goes back, bad messages too; later all good ones are written."""
    event_ = sqs_event([ThingMade(name="a"), ThingMade(name="b"), "nonsense"])
    server.kill()
    assert bench.failed(event_) == [record["messageId"] for record in event_["Records"]]
    assert bench.dead_letters.messages == []
    server.start()
    assert bench.failed(event_) == []
    assert bench.names == ["a", "b"]
    assert len(bench.letters) == 1


def test_a_frozen_database_is_given_up_in_time(server: Postgres, bench: Bench) -> None:
    """A server that falls silent does not hold the invocation beyond its limit, and nothing is lost."""
    bench([ThingMade(name="before")])
    bench.engine.dispose()
    server.freeze()
    try:
        started = time.monotonic()
        assert len(bench([ThingMade(name="a")])) == 1
        assert time.monotonic() - started < 20
    finally:
        server.thaw()
    assert bench.dead_letters.messages == []


def test_a_wrong_password_dead_letters_nothing(server: Postgres, bench: Bench) -> None:
    """A database that refuses the consumer's password is no fault of the data, and dead-letters nothing."""
    wrong = server.url().replace("postgres:", "postgres:not", 1)
    drain = Drain(engine=make_engine(wrong), queue=bench.queue, dead_letters=bench.dead_letters)
    drain.write(ThingMade, Append(things))
    answer = drain.handler(sqs_event([ThingMade(name="a"), "nonsense"]), LambdaContext())
    assert len(answer["batchItemFailures"]) == 2
    assert bench.dead_letters.messages == []


@pytest.mark.parametrize("step", ["INTO penstock.ledger", "INTO things", "COMMIT"])
@pytest.mark.parametrize("moment", ["before", "after"])
def test_a_connection_cut_at_any_step_loses_and_repeats_nothing(
    engine: Engine, monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """At whichever step of the transaction the connection is cut, the next attempt makes it right."""
    bench = Bench(engine)
    event_ = sqs_event([ThingMade(name="a"), ThingMade(name="b")])
    cut = CutOnce(engine, step, moment, monkeypatch)
    assert bench.failed(event_) == []
    assert cut.done
    assert bench.dead_letters.messages == []
    assert bench.failed(event_) == []
    assert bench.names == ["a", "b"]
    assert set(bench.outcomes.values()) == {"applied"}
