"""Transactions, hooks and options of the managed engine."""

import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Connection, text
from sqlalchemy.exc import IntegrityError, OperationalError
from sqlalchemy.orm import Session

from penstock.database import Cleaning, Closed, Hooks, ManagedEngine, managed_engine
from penstock.database.managed.backoff import Backoff
from penstock.database.managed.cleaning import marked
from penstock.settings import SettingsError
from tests.support.managed import FewConnections, invocation

Make = Callable[..., ManagedEngine]
ONE = text("SELECT 1")


@pytest.fixture
def accounts(few: FewConnections, admin: psycopg.Connection[Any]) -> psycopg.Connection[Any]:
    """A table of the role's own."""
    admin.execute("DROP TABLE IF EXISTS account")
    admin.execute("CREATE TABLE account (id int GENERATED ALWAYS AS IDENTITY, owner text UNIQUE, cents int)")
    admin.execute("GRANT ALL ON account TO shop")
    return admin


def rows(admin: psycopg.Connection[Any]) -> list[tuple[str, int]]:
    return admin.execute("SELECT owner, cents FROM account ORDER BY id").fetchall()


@pytest.mark.server
def test_a_step_uses_the_result_of_an_earlier_one(accounts: psycopg.Connection[Any], instance: Make) -> None:
    """Steps of a transaction use earlier results, and one may be left out because of them."""
    with instance().transaction() as connection:
        insert = "INSERT INTO account (owner, cents) VALUES ('a', 1) RETURNING id"
        number = connection.execute(text(insert)).scalar_one()
        changed = connection.execute(text("UPDATE account SET cents = 2 WHERE id = :id"), {"id": number})
        if changed.rowcount > 1:
            connection.execute(text("DELETE FROM account"))
    assert rows(accounts) == [("a", 2)]


@pytest.mark.server
def test_an_error_of_any_kind_rolls_back(accounts: psycopg.Connection[Any], instance: Make) -> None:
    """An error of the database or of the code leaves nothing behind, and the next transaction works."""
    database = instance()
    insert = text("INSERT INTO account (owner, cents) VALUES ('a', 1)")

    def twice(connection: Connection) -> None:
        connection.execute(insert)
        connection.execute(insert)

    def fail(connection: Connection) -> None:
        connection.execute(insert)
        raise ZeroDivisionError

    with pytest.raises(IntegrityError):
        database.run(twice)
    with pytest.raises(ZeroDivisionError):
        database.run(fail)
    assert rows(accounts) == []
    with database.transaction() as connection:
        connection.execute(insert)
    assert rows(accounts) == [("a", 1)]
    assert database.get_stats().connects == 1


@pytest.mark.server
def test_a_transaction_is_begun_again_after_a_conflict(accounts: psycopg.Connection[Any], instance: Make) -> None:
    """After a serialization failure the whole function is called again, and its first call has no effect."""
    accounts.execute("INSERT INTO account (owner, cents) VALUES ('a', 0)")
    calls: list[int] = []
    retried: list[str] = []

    def work(connection: Any) -> int:
        connection.execute(text("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ"))
        cents = connection.execute(text("SELECT cents FROM account")).scalar_one()
        calls.append(cents)
        if len(calls) < 3:
            accounts.execute("UPDATE account SET cents = cents + 10")
        connection.execute(text("UPDATE account SET cents = cents + 1"))
        return int(cents)

    database = instance(hooks=Hooks(on_retry=lambda error, *_: retried.append(error.orig.sqlstate)))
    assert database.run(work) == 20
    assert calls == [0, 10, 20]
    assert rows(accounts) == [("a", 21)]
    assert retried == ["40001", "40001"]


@pytest.mark.server
def test_conflicts_are_retried_for_a_limited_time(accounts: psycopg.Connection[Any], instance: Make) -> None:
    """A function that never gets through raises the conflict in time, and other errors at once."""
    calls = []

    def work(connection: Any) -> None:
        calls.append(connection)
        connection.execute(text("DO $$ BEGIN RAISE EXCEPTION USING ERRCODE = '40P01'; END $$"))

    def fail(connection: Any) -> None:
        calls.append(connection)
        raise ZeroDivisionError

    database = instance(connect_seconds=0.2)
    with pytest.raises(OperationalError):
        database.run(work)
    assert len(calls) > 1
    calls.clear()
    with pytest.raises(ZeroDivisionError):
        database.run(fail)
    assert len(calls) == 1


@pytest.mark.server
def test_a_transaction_within_a_transaction_is_an_error_at_once(instance: Make) -> None:
    """The pool has no second connection: instead of waiting for it, the error says what to do."""
    database = instance()
    with database.transaction() as connection:
        with pytest.raises(RuntimeError, match="begin_nested"), database.transaction():
            raise AssertionError
        with connection.begin_nested():
            assert connection.execute(ONE).scalar_one() == 1
    with database.transaction() as connection:
        assert connection.execute(ONE).scalar_one() == 1


@pytest.mark.server
def test_another_thread_waits_for_the_connection(instance: Make) -> None:
    """Threads of one instance take turns, and none gets a second connection."""
    database = instance()
    answers = []

    def work() -> None:
        with database.transaction() as connection:
            answers.append(connection.execute(text("SELECT pg_backend_pid() FROM pg_sleep(0.02)")).scalar_one())

    threads = [threading.Thread(target=work) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(answers) == 4
    assert len(set(answers)) == 1


@pytest.mark.server
def test_a_transaction_left_open_is_rolled_back(
    accounts: psycopg.Connection[Any], instance: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """A handler that returns with a transaction open leaves no lock behind while its instance is frozen."""
    closed: list[Closed] = []
    database = instance(hooks=Hooks(on_close=closed.append))
    kept = []

    @database.handler
    def handle(_event: object, _context: object) -> str:
        kept.append(database.engine.connect())
        kept[0].execute(text("INSERT INTO account (owner, cents) VALUES ('a', 1)"))
        return "answer"

    assert handle({}, invocation()) == "answer"
    assert closed == [Closed.LEFT_OPEN]
    assert [record.action for record in caplog.records if hasattr(record, "action")] == ["transaction_left_open"]
    accounts.execute("ALTER TABLE account SET (fillfactor = 90)")
    assert rows(accounts) == []
    with database.transaction() as connection:
        assert connection.execute(ONE).scalar_one() == 1


@pytest.mark.server
def test_the_orm_works_with_the_engine(accounts: psycopg.Connection[Any], instance: Make) -> None:
    """All of SQLAlchemy works with the engine, and its connections are managed alike."""
    database = instance()
    with Session(database.engine) as session, session.begin():
        session.execute(text("INSERT INTO account (owner, cents) VALUES ('a', 1)"))
    assert rows(accounts) == [("a", 1)]
    assert database.get_stats().connects == 1


@pytest.mark.server
def test_a_hook_that_fails_changes_nothing(instance: Make, caplog: pytest.LogCaptureFixture) -> None:
    """An error of a hook is logged by its type, and the request goes on."""

    def fail(*_what: object) -> None:
        raise ValueError("secret")

    database = instance(hooks=Hooks(on_connect=fail, on_close=fail))
    with database.transaction() as connection:
        assert connection.execute(ONE).scalar_one() == 1
    database.close()
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


@pytest.mark.server
@pytest.mark.parametrize("context", [None, object()])
def test_a_handler_works_without_a_context_of_lambda(instance: Make, context: object) -> None:
    """Called by a test or another platform, a handler has no deadline."""
    database = instance()

    @database.handler
    def handle(_event: object, _context: object) -> int:
        with database.transaction() as connection:
            return int(connection.execute(ONE).scalar_one())

    assert handle({}, context) == 1


@pytest.mark.server
def test_no_connection_is_made_before_the_first_use(few: FewConnections, instance: Make) -> None:
    """Neither making the engine nor an invocation that does not use it connects."""
    database = instance()
    assert database.handler(lambda _event, _context: "answer")({}, invocation()) == "answer"
    assert few.sessions() == []


def test_the_address_is_read_at_the_first_use(monkeypatch: pytest.MonkeyPatch) -> None:
    """A module with an engine can be imported without an environment; a missing setting is named at its use."""
    monkeypatch.delenv("PENSTOCK_DATABASE_URL", raising=False)
    database = managed_engine()
    database.close()
    with pytest.raises(SettingsError, match="PENSTOCK_DATABASE_URL is not set"), database.transaction():
        raise AssertionError


@pytest.mark.parametrize(
    "options",
    [
        {"utilization": 0},
        {"utilization": 1.1},
        {"utilization": float("nan")},
        {"utilization": None, "cleaning": Cleaning()},
        {"connect_seconds": 0},
        {"connect_seconds": float("inf")},
        {"connect_seconds": float("nan")},
        {"backoff": "linear"},
        {"base_seconds": 0},
        {"base_seconds": 11},
        {"base_seconds": 2, "cap_seconds": 1},
        {"cap_seconds": float("inf")},
    ],
)
def test_an_option_out_of_range_is_refused(options: dict[str, Any]) -> None:
    """A number that makes no sense is an error when the engine is made."""
    with pytest.raises(ValueError, match=r"must be|is 'full'|needs"):
        managed_engine("postgresql://nobody@127.0.0.1:1/none", **options)


@pytest.mark.parametrize("options", [{"min_idle_seconds": -1}, {"max_in_transaction_seconds": -1}, {"most": 0}])
def test_cleaning_that_makes_no_sense_is_refused(options: dict[str, Any]) -> None:
    """So is one for cleaning."""
    with pytest.raises(ValueError, match="must be at least"):
        Cleaning(**options)


@given(
    strategy=st.sampled_from(["full", "decorrelated"]),
    base=st.floats(0.001, 1),
    more=st.floats(0, 10),
    last=st.floats(0, 100),
    attempts=st.integers(1, 10**6),
)
def test_a_wait_is_within_its_bounds(strategy: Any, base: float, more: float, last: float, attempts: int) -> None:
    """Each strategy's wait is at least 0, or the base, and at most the cap, after any number of attempts."""
    wait = Backoff(strategy, base, base + more).next_wait(last, attempts)
    assert (base if strategy == "decorrelated" else 0) <= wait <= base + more


@pytest.mark.parametrize("answer", [-1, float("nan"), "1", None])
def test_a_backoff_function_must_return_seconds(answer: Any) -> None:
    """Another answer is an error that names the function; a wait above the cap is the cap."""
    with pytest.raises(ValueError, match="backoff function must return seconds"):
        Backoff(lambda *_: answer, 1, 2).next_wait(0, 1)
    assert Backoff(lambda *_: 99, 1, 2).next_wait(0, 1) == 2


@given(st.text(max_size=100))
def test_a_marked_name_fits_into_postgres(name: str) -> None:
    """The mark is never cut off: Postgres keeps 63 bytes of a name."""
    assert marked(name).endswith(":managed")
    assert len(marked(name).encode()) <= 63
