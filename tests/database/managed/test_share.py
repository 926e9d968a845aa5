"""The share of the server's connections, and the sessions that are ended when they are scarce."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import OperationalError

from penstock.database import Cleaning, Closed, Hooks, ManagedEngine
from penstock.local.processes import wait_until
from tests.support.managed import GRANTED, FewConnections, invocation
from tests.support.pgbouncer import pgbouncer

pytestmark = pytest.mark.server

Make = Callable[..., ManagedEngine]
PID = text("SELECT pg_backend_pid()")
AT_ONCE = Cleaning(min_idle_seconds=0, max_in_transaction_seconds=0)


def use(instance: ManagedEngine) -> int:
    """Handle one invocation; return the server process that did its statement."""

    @instance.handler
    def handle(_event: object, _context: object) -> int:
        with instance.transaction() as connection:
            return int(connection.execute(PID).scalar_one())

    return handle({}, invocation())


def test_instances_take_turns(few: FewConnections, instance: Make) -> None:
    """Twice as many instances as there are connections get their turn each time, without errors."""
    failures: list[BaseException] = []

    def live(database: ManagedEngine) -> None:
        try:
            for _ in range(5):
                use(database)
        except OperationalError as error:
            failures.append(error)

    databases = [instance(cap_seconds=0.1) for _ in range(2 * GRANTED)]
    threads = [threading.Thread(target=live, args=[database]) for database in databases]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert failures == []
    assert sum(one.get_stats().given_back for one in databases) > 0
    assert len(few.sessions()) <= GRANTED * 0.8


def test_who_waited_gives_the_connection_back(
    few: FewConnections, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An invocation that had to wait closes its connection at the end, so that others who wait get theirs."""
    closed: list[Closed] = []
    now = time.monotonic
    with few.occupied(GRANTED) as held:
        hooks = Hooks(on_retry=lambda *_: deque(map(psycopg.Connection.close, held)), on_close=closed.append)
        database = instance(utilization=None, hooks=hooks)
        use(database)
    assert closed == [Closed.GIVEN_BACK]
    few.wait_for_sessions(0)
    # Others may wait still: for a minute, each invocation gives its connection back.
    use(database)
    assert closed == [Closed.GIVEN_BACK] * 2
    monkeypatch.setattr(time, "monotonic", lambda: now() + 61)
    use(database)
    few.wait_for_sessions(1)
    assert database.get_stats().given_back == 2


def test_a_kept_connection_is_given_back_when_connections_become_scarce(
    few: FewConnections, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that was within the share is closed at the end of an invocation that finds it exceeded."""
    monkeypatch.setattr("penstock.database.managed.scarcity._COUNT_SECONDS", 0)
    database = instance(utilization=0.5)
    first = use(database)
    assert use(database) == first
    with few.occupied(6):
        assert use(database) == first
        few.wait_for_sessions(6)
    assert database.get_stats().given_back == 1


def test_no_connection_is_made_at_the_end_of_an_invocation(
    few: FewConnections, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A connection that has become too old is closed at the end, and the next invocation makes the new one."""
    monkeypatch.setattr("penstock.database.managed.scarcity._COUNT_SECONDS", 0)
    database = instance()

    @database.handler
    def handle(_event: object, _context: object) -> None:
        with database.transaction() as connection:
            connection.execute(PID)
        monkeypatch.setattr(database.engine.pool, "_recycle", 0)

    handle({}, invocation())
    few.wait_for_sessions(0)
    stats = database.get_stats()
    assert (stats.connects, stats.errors) == (1, 0)
    monkeypatch.setattr(database.engine.pool, "_recycle", -1)
    assert use(database)
    assert database.get_stats().connects == 2


@pytest.mark.parametrize(
    ("limit", "again"),
    [
        ("ALTER ROLE shop CONNECTION LIMIT 6", "ALTER ROLE shop CONNECTION LIMIT -1"),
        ("ALTER DATABASE postgres CONNECTION LIMIT 6", "ALTER DATABASE postgres CONNECTION LIMIT -1"),
    ],
)
def test_the_nearest_limit_counts(
    few: FewConnections, instance: Make, admin: psycopg.Connection[Any], limit: str, again: str
) -> None:
    """The share is that of the role's or the database's limit, if that is lower than the server's."""
    admin.execute(limit)
    try:
        database = instance(utilization=0.6)
        with few.occupied(3):
            use(database)
        stats = database.get_stats()
        assert (stats.used, stats.limit, stats.given_back) == (4 + limit.count("DATABASE"), 6, 1)
    finally:
        admin.execute(again)


def test_a_frozen_instance_is_ended(few: FewConnections, instance: Make) -> None:
    """When connections are scarce, the sessions of instances that are frozen are ended, and theirs alone."""
    frozen = [instance(cleaning=AT_ONCE) for _ in range(4)]
    before = {use(one) for one in frozen}
    plain = instance()
    kept = use(plain)
    cleaned: list[int] = []
    database = instance(utilization=0.5, cleaning=AT_ONCE, hooks=Hooks(on_clean=cleaned.extend))
    with few.occupied(2) as others:
        new = use(database)
        assert new not in before
        assert {pid for pid, name, _ in few.sessions() if name != "other"} == {kept, new}
        assert [one.execute("SELECT 1").fetchone() for one in others] == [(1,), (1,)]
    assert sorted(cleaned) == sorted(before)
    assert database.get_stats().cleaned == 4
    # The instances wake up, and notice nothing.
    assert len({use(one) for one in frozen}) == 4
    assert [one.get_stats().lost for one in frozen] == [1] * 4


@contextmanager
def abandoned(instance: ManagedEngine) -> Iterator[int]:
    """Give the server process of a transaction that an instance leaves open, as one that was killed does."""
    connection = instance.engine.connect()
    yield int(connection.execute(PID).scalar_one())
    connection.invalidate()
    connection.close()


def test_an_abandoned_transaction_is_ended(few: FewConnections, instance: Make) -> None:
    """A session that is idle in a transaction for longer than any invocation lasts is ended."""
    with abandoned(instance(cleaning=AT_ONCE)) as old:
        use(instance(utilization=0.1, cleaning=Cleaning(min_idle_seconds=0)))
        assert old in [pid for pid, *_ in few.sessions()]
        use(instance(utilization=0.1, cleaning=AT_ONCE))
        assert old not in [pid for pid, *_ in few.sessions()]


def test_the_longest_idle_are_ended_first(few: FewConnections, instance: Make) -> None:
    """With a limit, those go that have been idle for longest."""
    frozen = [use(instance(cleaning=AT_ONCE)) for _ in range(4)]
    one_at_once = Cleaning(min_idle_seconds=0, most=1)
    cleaned: list[int] = []
    database = instance(utilization=0.4, cleaning=one_at_once, hooks=Hooks(on_clean=cleaned.extend))
    use(database)
    assert cleaned == frozen[:1]


def test_who_was_not_idle_for_long_enough_is_left_alone(few: FewConnections, instance: Make) -> None:
    """A session that was idle for less than the minimum is not ended."""
    left_alone = use(instance(cleaning=AT_ONCE))
    database = instance(utilization=0.1, cleaning=Cleaning())
    use(database)
    few.wait_for_sessions(1)
    assert few.sessions()[0][0] == left_alone
    assert (database.get_stats().cleaned, database.get_stats().given_back) == (0, 1)


def test_an_instance_at_work_is_never_ended(
    few: FewConnections, instance: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Instances that work without pause lose no transaction, however often others clean."""
    stop, failures, done = threading.Event(), [], [0, 0, 0]

    def work(number: int, database: ManagedEngine) -> None:
        while not stop.is_set():
            try:
                use(database)
                done[number] += 1
            except Exception as error:  # noqa: BLE001
                failures.append(error)

    idle = Cleaning(min_idle_seconds=0)
    workers = [instance(utilization=1, cleaning=idle) for _ in done]
    threads = [threading.Thread(target=work, args=pair) for pair in enumerate(workers)]
    for one in threads:
        one.start()
    monkeypatch.setattr("penstock.database.managed.scarcity._COUNT_SECONDS", 0)
    cleaner = instance(utilization=0.1, cleaning=idle)
    try:
        assert wait_until(lambda: use(cleaner) > 0 and min(done) > 10 and cleaner.get_stats().cleaned > 2, 60)
    finally:
        stop.set()
        for one in threads:
            one.join()
    assert failures == []
    # It did end sessions, between two transactions of theirs.
    assert sum(one.get_stats().lost for one in workers) > 0


def test_behind_a_pooler_nothing_is_counted_or_ended(
    few: FewConnections, instance: Make, caplog: pytest.LogCaptureFixture
) -> None:
    """The server's sessions are the pooler's: they are left alone, and the lock of a session is not taken."""
    with pgbouncer(few.url, pool_size=3) as pooled:
        databases = [instance(pooled, utilization=0.1, cleaning=AT_ONCE) for _ in range(4)]
        for _ in range(3):
            for one in databases:
                assert use(one)
        stats = [one.get_stats() for one in databases]
        assert [(one.connects, one.lost, one.cleaned, one.used) for one in stats] == [(1, 0, 0, None)] * 4
        with psycopg.connect(few.admin_url) as connection:
            query = "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'"
            assert connection.execute(query).fetchone() == (0,)
        assert {record.action for record in caplog.records if hasattr(record, "action")} == {"cleaning_off"}
        for one in databases:
            one.close()
