"""The rotation of the ledger's two generations, on a real Postgres."""

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy.exc import DBAPIError

from penstock.database.retention import NOT_DUE, POSTPONED, ROTATED
from tests.support.connections import CutOnce
from tests.support.retention import A_MONTH_LATER, MONTH, Bench, Marked, in_use


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < until:
        time.sleep(0.01)
    return done


def test_what_was_applied_is_known_for_one_rotation_and_forgotten_by_the_next(bench: Bench) -> None:
    """A repeated intent has no second effect after one rotation; after two rotations its id is unknown."""
    intent = Marked(name="once")
    assert bench(intent) == 0
    assert bench.prune(days=MONTH).rotation == ROTATED
    assert bench.generations == [0, 1]
    assert bench.outcome(intent.intent_id) == "applied"
    assert bench(intent) == bench(intent, Marked(name="other")) == 0
    assert bench.applied == ["once", "other"]
    assert bench.prune(days=MONTH).rotation == ROTATED
    assert bench.outcome(intent.intent_id) == "pending"
    assert bench(intent) == 0
    assert bench.applied == ["once", "once", "other"]
    assert bench.dead_letters.messages == []


def test_a_dead_intent_is_applied_by_a_replay_after_a_rotation(bench: Bench) -> None:
    """A dead intent of the past generation is applied once by a replay, and its outcome is the new one."""
    bench.run("ALTER TABLE marks ADD CONSTRAINT long_enough CHECK (length(name) > 3)")
    dead = Marked(name="abc")
    assert bench(dead, Marked(name="good")) == 0
    assert len(bench.dead_letters.messages) == 1
    assert bench.prune(days=MONTH).rotation == ROTATED
    assert bench.outcome(dead.intent_id) == "dead"
    bench.run("ALTER TABLE marks DROP CONSTRAINT long_enough")
    assert bench(dead) == bench(dead) == 0
    assert bench.applied == ["abc", "good"]
    assert bench.outcome(dead.intent_id) == "applied"


def test_a_rotation_becomes_due(bench: Bench) -> None:
    """The ledger is rotated once the generation is old enough, and only once however late the run is."""
    bench(Marked(name="a"))
    assert bench.prune(days=MONTH - 1).rotation == NOT_DUE
    assert bench.generations == [1, 0]
    assert bench.prune(days=365).rotation == ROTATED
    assert bench.prune().rotation == bench.prune(days=MONTH - 1).rotation == NOT_DUE
    assert bench.generations == [0, 1]


def test_a_clock_that_was_ahead_does_not_delay_the_rotation(bench: Bench) -> None:
    """A rotation in the future counts as one of now."""
    assert bench.prune(days=-3650).rotation == NOT_DUE
    assert bench.prune(days=MONTH).rotation == ROTATED


def test_names_are_unchanged(bench: Bench) -> None:
    """After several rotations each table's columns, constraints and indexes have their original names."""
    names = """
        SELECT string_agg(name, ' ' ORDER BY name) FROM (
            SELECT conrelid::regclass || '.' || conname AS name FROM pg_constraint
            WHERE connamespace = 'penstock'::regnamespace
            UNION ALL SELECT tablename || ':' || indexname FROM pg_indexes WHERE schemaname = 'penstock'
            UNION ALL SELECT table_name || ',' || column_name || ordinal_position
            FROM information_schema.columns WHERE table_schema = 'penstock'
        )"""
    before = bench.value(names)
    for _ in range(3):
        assert bench.prune(days=MONTH).rotation == ROTATED
        assert bench.value(names) == before


def test_a_rotation_writes_nothing_for_each_entry(bench: Bench) -> None:
    """A rotation of millions of entries writes only some kilobytes."""
    for name, rows in (("ledger", 1_500_000), ("ledger_past", 500_000)):
        bench.run(
            # An autovacuum would also write.
            f"ALTER TABLE penstock.{name} SET (autovacuum_enabled = off)",
            "INSERT INTO penstock." + name + " (id, kind, outcome, stated_at)"
            " SELECT lpad(to_hex(n), 32, '0')::uuid, 'k', 'applied', now()"
            f" FROM generate_series(1, {rows}) AS n",
        )
    before = bench.value("SELECT pg_current_wal_insert_lsn()")
    assert bench.prune(days=MONTH).rotation == ROTATED
    assert bench.value(f"SELECT pg_current_wal_insert_lsn() - '{before}'") < 500_000
    assert bench.generations == [0, 1_500_000]


def test_drains_do_not_notice_a_rotation(
    bench: Bench, another: Callable[..., Bench], caplog: pytest.LogCaptureFixture
) -> None:
    """If the ledger is rotated while consumers drain continuously, there is no fault, loss or second effect."""
    batches = [[Marked(name=f"{n:03}.{m}") for m in range(10)] for n in range(200)]
    begun, rotated, drained = threading.Semaphore(0), threading.Event(), []

    def consume(mine: Bench, start: int) -> None:
        for number in range(start, len(batches), 4):
            # On a slow machine, the last batches wait for the rotation.
            assert number < len(batches) - 40 or rotated.wait(30)
            # An earlier batch is delivered again, to another consumer.
            drained.append(mine(*batches[number], *batches[number - 5]))
            begun.release()

    with ThreadPoolExecutor() as pool:
        consumers = [pool.submit(consume, another(pre_ping=False), start) for start in range(4)]
        for _ in range(20):
            assert begun.acquire(timeout=30)
        assert bench.prune(days=MONTH).rotation == ROTATED
        rotated.set()
        for consumer in consumers:
            consumer.result()
    assert drained == [0] * len(batches)
    assert bench.applied == sorted(intent.name for batch in batches for intent in batch)
    assert min(bench.generations) > 0
    assert sum(bench.generations) == 2000
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


def test_a_rotation_is_postponed(
    bench: Bench, another: Callable[..., Bench], database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """If the ledger is in use all the time, the rotation is left to the next run, and drains continue."""
    bench(Marked(name="before"))
    bench.run(A_MONTH_LATER)
    with in_use(database_url), ThreadPoolExecutor() as pool:
        done = pool.submit(another().prune, seconds=4)
        assert eventually(lambda: waiting(bench) == 1)
        assert bench(Marked(name="meanwhile")) == 0
        assert done.result().rotation == POSTPONED
    assert bench.generations == [2, 0]
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert bench.prune().rotation == ROTATED


def waiting(bench: Bench) -> int:
    return int(
        bench.value(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
    )


def test_concurrent_runs_rotate_once(bench: Bench, another: Callable[..., Bench], database_url: str) -> None:
    """Of two runs that find the rotation due only one rotates, so that no recent entry is dropped."""
    intent = Marked(name="a")
    bench(intent)
    bench.run(A_MONTH_LATER)
    with ThreadPoolExecutor() as pool:
        with in_use(database_url):
            done = [pool.submit(another().prune) for _ in range(2)]
            assert eventually(lambda: waiting(bench) == 2)
        assert sorted(each.result().rotation for each in done) == [NOT_DUE, ROTATED]
    assert bench.outcome(intent.intent_id) == "applied"


@pytest.mark.parametrize(
    ("step", "moment"),
    [
        ("LOCK TABLE", "before"),
        ("LOCK TABLE", "after"),
        ("TRUNCATE", "after"),
        ("RENAME TO ledger_past", "before"),
        ("RENAME TO ledger_past_pkey", "after"),
    ],
)
def test_an_interrupted_rotation_changes_nothing(
    bench: Bench, another: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """Before COMMIT no generation has changed at any step, and the next run rotates."""
    old, new = Marked(name="old"), Marked(name="new")
    bench(old)
    bench.prune(days=MONTH)
    bench(new)
    cut_short = another()
    cut = CutOnce(cut_short.engine, step, moment, monkeypatch)
    bench.run(A_MONTH_LATER)
    with pytest.raises(DBAPIError):
        cut_short.prune()
    assert cut.done
    assert bench.generations == [1, 1]
    assert [bench.outcome(intent.intent_id) for intent in (old, new)] == ["applied", "applied"]
    assert bench(old, new) == 0
    assert bench.applied == ["new", "old"]
    assert cut_short.prune().rotation == ROTATED
    assert [bench.outcome(intent.intent_id) for intent in (old, new)] == ["pending", "applied"]
