"""Outcomes from a reader that lags behind the writer: a real standby, whose replay can be paused."""

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import Engine, event, insert, text, update

from penstock.consumer import Outcomes, outcomes
from penstock.database import ledger, make_engine, retention
from penstock.database.migrate import upgrade
from penstock.database.watchdog import Watchdog
from penstock.intents import OutcomeExpired, OutcomeUnavailable, new_id, sign
from penstock.settings import Settings
from tests.support.proxy import TcpProxy, proxied
from tests.support.standby import Replication, replication

pytestmark = pytest.mark.server

KEY = "key"


@pytest.fixture(scope="module")
def replicated() -> Iterator[Replication]:
    with replication() as servers:
        upgrade(servers.primary)
        yield servers


@pytest.fixture
def primary(replicated: Replication) -> Iterator[Engine]:
    engine = make_engine(replicated.primary)
    yield engine
    engine.dispose()
    replicated.resume()


@pytest.fixture
def ask(replicated: Replication, primary: Engine) -> Iterator[Callable[..., str]]:
    """Ask for the outcome of an intent, through the standby as the reader."""
    made: list[Outcomes] = []

    def ask(
        id_: UUID, *, reader: str = replicated.standby, writer: str = replicated.primary, wait: float = 0
    ) -> str:
        settings = Settings(receipt_key=KEY, database_url=writer, database_reader_url=reader)
        made.append(Outcomes(settings))
        return made[-1].find(str(sign(id_, KEY)), wait_seconds=wait).status

    yield ask
    for one in made:
        one._resources.engine.dispose()
        if one._writer:
            one._writer._engine.dispose()


def enter(primary: Engine, id_: UUID, outcome: str) -> UUID:
    """Enter an outcome on the primary, as the drain does."""
    fault = {"reason": "r"} if outcome == "dead" else None
    row = {"id": id_, "kind": "k", "outcome": outcome, "stated_at": datetime.now(UTC), "fault": fault}
    with primary.begin() as connection:
        connection.execute(insert(ledger), row)
    return id_


def replay(primary: Engine, id_: UUID) -> None:
    """Apply a dead intent."""
    with primary.begin() as connection:
        connection.execute(update(ledger).where(ledger.c.id == id_).values(outcome="applied", fault=None))


def rotate(primary: Engine) -> None:
    with primary.begin() as connection:
        connection.execute(text("UPDATE penstock.rotation SET rotated_at = rotated_at - interval '31 days'"))
    assert retention.prune(Watchdog(primary), 10).rotation == retention.ROTATED


def id_of_days_ago(days: int) -> UUID:
    at = datetime.now(UTC) - timedelta(days=days)
    return UUID(int=int(at.timestamp() * 1000) << 80 | (new_id().int & (1 << 80) - 1))


@pytest.mark.parametrize("outcome", ["applied", "stale", "dead"])
def test_what_has_not_arrived_is_pending(
    replicated: Replication, primary: Engine, ask: Callable[..., str], outcome: str
) -> None:
    """Until the standby has the entry it is pending, and then it is what it is on the writer."""
    replicated.pause()
    id_ = enter(primary, new_id(), outcome)
    assert ask(id_) == "pending"
    replicated.catch_up()
    assert ask(id_) == outcome


@pytest.mark.parametrize("rotated", [False, True])
def test_what_was_replayed_is_not_called_dead(
    replicated: Replication, primary: Engine, ask: Callable[..., str], rotated: bool
) -> None:
    """While the standby has an intent as dead that a replay has applied, the answer is the writer's."""
    id_ = enter(primary, new_id(), "dead")
    replicated.pause()
    assert ask(id_) == "dead"
    if rotated:
        rotate(primary)
        enter(primary, id_, "applied")
    else:
        replay(primary, id_)
    assert ask(id_) == "applied"
    replicated.catch_up()
    assert ask(id_) == "applied"


def test_what_was_replayed_late_is_not_called_expired(
    replicated: Replication, primary: Engine, ask: Callable[..., str]
) -> None:
    """An intent older than what the ledger keeps is not gone if the writer has just applied it."""
    id_ = id_of_days_ago(retention.KEPT_DAYS + 1)
    with pytest.raises(OutcomeExpired):
        ask(id_)
    replicated.pause()
    enter(primary, id_, "applied")
    assert ask(id_) == "applied"


def test_a_rotation_is_replayed_without_a_wrong_answer(
    replicated: Replication, primary: Engine, ask: Callable[..., str]
) -> None:
    """While the standby replays a rotation, an applied intent stays applied."""
    id_ = enter(primary, new_id(), "applied")
    replicated.pause()
    rotate(primary)
    done = threading.Event()
    answers: list[str] = []

    def read() -> None:
        while not done.is_set():
            answers.append(ask(id_))

    reading = threading.Thread(target=read)
    reading.start()
    replicated.catch_up()
    done.set()
    reading.join()
    assert set(answers) == {"applied"}
    assert ask(id_) == "applied"


def test_a_read_that_the_standby_cancels_is_repeated(
    replicated: Replication, primary: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A read in the way of a rotation that is replayed fails with 40001, and succeeds at the second attempt."""
    id_ = enter(primary, new_id(), "applied")
    replicated.catch_up()
    reader = make_engine(replicated.standby)
    states: list[Any] = []
    event.listen(reader, "handle_error", lambda context: states.append(context.original_exception.sqlstate))

    @event.listens_for(reader, "before_cursor_execute", retval=True)
    def hold_a_lock(
        _connection: Any, cursor: Any, statement: str, parameters: Any, *_rest: Any
    ) -> tuple[str, Any]:
        if states:
            return statement, parameters
        cursor.execute("LOCK TABLE penstock.ledger IN ACCESS SHARE MODE")
        rotate(primary)
        return "SELECT pg_catalog.pg_sleep(20)", {}

    assert Outcomes(Settings(receipt_key=KEY), engine=reader).find(str(sign(id_, KEY))).status == "applied"
    assert states == ["40001"]
    reader.dispose()


def test_a_caller_that_waits_gets_what_arrives(
    replicated: Replication, primary: Engine, ask: Callable[..., str]
) -> None:
    """With a wait, an outcome that the standby replays in the meantime is the answer."""
    replicated.pause()
    id_ = enter(primary, new_id(), "applied")
    resumed = threading.Timer(0.3, replicated.resume)
    resumed.start()
    assert ask(id_, wait=10) == "applied"
    resumed.join()


@pytest.fixture
def far(replicated: Replication) -> Iterator[tuple[str, TcpProxy]]:
    with proxied(replicated.standby) as far:
        yield far


def test_a_reader_that_is_down_is_no_outcome(
    primary: Engine, ask: Callable[..., str], far: tuple[str, TcpProxy]
) -> None:
    """Without the reader the outcome is unavailable: the writer does not take over the reads."""
    id_ = enter(primary, new_id(), "applied")
    far[1].refuse()
    with pytest.raises(OutcomeUnavailable, match="the database did not answer"):
        ask(id_, reader=far[0])


def test_a_silent_reader_is_no_outcome(
    primary: Engine, far: tuple[str, TcpProxy], monkeypatch: pytest.MonkeyPatch
) -> None:
    """If the reader falls silent, the outcome is unavailable after a limit, and readable once it answers again."""
    monkeypatch.setattr(outcomes, "_READ_SECONDS", 0.5)
    id_, reader = enter(primary, new_id(), "applied"), make_engine(far[0])
    read = Outcomes(Settings(receipt_key=KEY), engine=reader)
    receipt = str(sign(id_, KEY))
    far[1].freeze()
    far[1].refuse()
    with pytest.raises(OutcomeUnavailable):
        read.find(receipt)
    far[1].thaw()
    far[1].accept()
    assert read.find(receipt).status in {"applied", "pending"}
    reader.dispose()


def test_dead_is_not_said_without_the_writer(
    replicated: Replication, primary: Engine, ask: Callable[..., str], far: tuple[str, TcpProxy]
) -> None:
    """If the writer cannot confirm that an intent is still dead, the outcome is unavailable."""
    id_ = enter(primary, new_id(), "dead")
    replicated.catch_up()
    far[1].refuse()
    with pytest.raises(OutcomeUnavailable):
        ask(id_, writer=far[0])
