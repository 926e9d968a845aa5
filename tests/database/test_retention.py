"""Retention: the ledger's two generations and the tombstones, on a real Postgres."""

import json
import logging
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import UUID

import psycopg
import pytest
from alembic.config import Config
from alembic.runtime.environment import EnvironmentContext
from alembic.script import ScriptDirectory
from pydantic import AwareDatetime
from sqlalchemy import Column, DateTime, Engine, MetaData, Table, Text, Uuid, event, text
from sqlalchemy.exc import DBAPIError

from penstock import WriteIntent
from penstock.consumer import Append, Delete, Drain, Outcomes, Prune, Upsert
from penstock.database import make_engine, migrate, retention
from penstock.database.retention import NOT_DUE, POSTPONED, ROTATED, Pruned
from penstock.database.watchdog import Watchdog
from penstock.intents import sign
from penstock.local.postgres import Postgres
from penstock.settings import Settings
from penstock.testing import LambdaContext, MemoryQueue, sqs_event
from tests.support.connections import CutOnce

NOWHERE = "postgresql://nobody:hunter2@127.0.0.1:1/nowhere"
MONTH = retention.KEPT_DAYS
A_MONTH_LATER = "UPDATE penstock.rotation SET rotated_at = rotated_at - interval '30 days'"

# Nothing here is unique: what is applied twice is seen twice.
marks = Table("marks", MetaData(), Column("intent_id", Uuid), Column("name", Text))
pages = Table(
    "pages",
    MetaData(),
    Column("path", Text, primary_key=True),
    Column("body", Text),
    Column("written_at", DateTime(timezone=True)),
)


class Marked(WriteIntent, kind="marked"):
    name: str


class PageWritten(WriteIntent, kind="page.written"):
    path: str
    body: str
    written_at: AwareDatetime


class PageRemoved(WriteIntent, kind="page.removed"):
    path: str
    written_at: AwareDatetime


class Bench:
    """A drain on a database, and what it takes to look after its tables."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.dead_letters = MemoryQueue()
        self.drain = Drain(engine=engine, queue=MemoryQueue(), dead_letters=self.dead_letters)
        self.drain.write(Marked, Append(marks))
        self.drain.write(PageWritten, Upsert(pages, key="path", version="written_at"))
        self.drain.write(PageRemoved, Delete(pages, key="path", version="written_at"))

    def __call__(self, *intents: WriteIntent) -> int:
        """Drain them; return how many were handed back."""
        return len(self.drain.handler(sqs_event(intents), LambdaContext())["batchItemFailures"])

    def prune(self, seconds: float = 20, days: int = 0) -> Pruned:
        """Prune, with so many days gone by."""
        if days:
            self.run(f"UPDATE penstock.rotation SET rotated_at = rotated_at - interval '{days} days'")
            self.run(f"UPDATE penstock.tombstone SET buried_at = buried_at - interval '{days} days'")
        return retention.prune(Watchdog(self.engine), seconds)

    def run(self, *statements: str) -> None:
        with self.engine.begin() as connection:
            for statement in statements:
                connection.execute(text(statement))

    def value(self, query: str) -> Any:
        with self.engine.connect() as connection:
            return connection.scalar(text(query))

    def outcome(self, id_: UUID) -> str:
        return Outcomes(Settings(receipt_key="key"), engine=self.engine).find(str(sign(id_, "key"))).status

    @property
    def applied(self) -> list[str]:
        with self.engine.connect() as connection:
            return sorted(connection.scalars(text("SELECT name FROM marks")))

    @property
    def generations(self) -> list[int]:
        return [self.value(f"SELECT count(*) FROM penstock.{name}") for name in ("ledger", "ledger_past")]


@pytest.fixture
def bench(engine: Engine) -> Bench:
    marks.metadata.create_all(engine)
    pages.metadata.create_all(engine)
    return Bench(engine)


@pytest.fixture
def another(database_url: str) -> Iterator[Callable[..., Bench]]:
    """Makes more benches on the same database, each with a connection of its own."""
    made: list[Engine] = []

    def make(**options: bool) -> Bench:
        made.append(make_engine(database_url, **options))
        return Bench(made[-1])

    yield make
    for engine in made:
        engine.dispose()


@contextmanager
def in_use(database_url: str) -> Iterator[None]:
    """Have somebody read the ledger, and not end the transaction."""
    with psycopg.connect(database_url) as connection:
        connection.execute("SELECT FROM penstock.ledger LIMIT 1")
        yield


def eventually(condition: Callable[[], bool], seconds: float = 10) -> bool:
    until = time.monotonic() + seconds
    while not (done := condition()) and time.monotonic() < until:
        time.sleep(0.01)
    return done


def test_what_was_applied_is_known_for_one_rotation_and_forgotten_by_the_next(bench: Bench) -> None:
    """A repeated intent has no second effect after a rotation; after two its id is as good as new."""
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


def test_a_dead_intent_lands_when_it_is_replayed_after_a_rotation(bench: Bench) -> None:
    """What is dead in the past generation may be replayed and lands, once, and its outcome is the new one."""
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


def test_a_rotation_has_its_time(bench: Bench) -> None:
    """The ledger is rotated once the generation is old enough, not before, and once however late that is."""
    bench(Marked(name="a"))
    assert bench.prune(days=MONTH - 1).rotation == NOT_DUE
    assert bench.generations == [1, 0]
    assert bench.prune(days=365).rotation == ROTATED
    assert bench.prune().rotation == bench.prune(days=MONTH - 1).rotation == NOT_DUE
    assert bench.generations == [0, 1]


def test_a_clock_that_was_ahead_does_not_put_the_rotation_off(bench: Bench) -> None:
    """A rotation that seems to lie years ahead counts as of now."""
    assert bench.prune(days=-3650).rotation == NOT_DUE
    assert bench.prune(days=MONTH).rotation == ROTATED


def test_names_stay_right(bench: Bench) -> None:
    """After any number of rotations each table's columns, constraints and indexes are called what they were."""
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
    """However many millions of entries there are, a rotation writes some kilobytes."""
    for name, rows in (("ledger", 1_500_000), ("ledger_past", 500_000)):
        bench.run(
            # An autovacuum would write too.
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
    """While consumers drain without a pause the ledger is rotated: no fault, no loss, no second effect."""
    batches = [[Marked(name=f"{n:03}.{m}") for m in range(10)] for n in range(200)]
    begun, rotated, drained = threading.Semaphore(0), threading.Event(), []

    def consume(mine: Bench, start: int) -> None:
        for number in range(start, len(batches), 4):
            # Some come after it, if the machine should let the rotation wait that long.
            assert number < len(batches) - 40 or rotated.wait(30)
            # What came before is delivered again, to another consumer.
            drained.append(mine(*batches[number], *batches[number - 5]))
            begun.release()

    with ThreadPoolExecutor() as pool:
        consumers = [pool.submit(consume, another(for_drain=True), start) for start in range(4)]
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


def test_a_rotation_gives_way(
    bench: Bench, another: Callable[..., Bench], database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """Where the ledger is in use all the time the rotation is left to the next run, and drains get through."""
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


def test_two_prunings_at_once_rotate_once(bench: Bench, another: Callable[..., Bench], database_url: str) -> None:
    """Of two that find the rotation due only one rotates: nothing that was just entered is forgotten."""
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
def test_a_rotation_that_is_cut_off_leaves_all_as_it_was(
    bench: Bench, another: Callable[..., Bench], monkeypatch: pytest.MonkeyPatch, step: str, moment: str
) -> None:
    """However far it got before COMMIT, no generation has changed, and the next run rotates."""
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


# Tombstones


def page(day: int) -> PageWritten:
    return PageWritten(path="/a", body=f"of day {day}", written_at=datetime(2026, 11, day, tzinfo=UTC))


def removal(day: int) -> PageRemoved:
    return PageRemoved(path="/a", written_at=datetime(2026, 11, day, tzinfo=UTC))


def test_a_tombstone_lasts_as_long_as_an_older_write_may_come(bench: Bench) -> None:
    """Until then what was deleted does not come back; then the tombstone is gone."""
    bench(page(1), removal(3))
    assert bench.prune(days=MONTH - 1).tombstones == 0
    bench(page(2))
    assert bench.value("SELECT count(*) FROM pages") == 0
    assert bench.prune(days=1).tombstones == 1
    assert bench.value("SELECT count(*) FROM penstock.tombstone") == 0


def test_a_later_deletion_renews_the_tombstone(bench: Bench) -> None:
    """What is deleted again is remembered from then on."""
    bench(removal(3))
    assert bench.prune(days=MONTH - 1).tombstones == 0
    bench(removal(5))
    assert bench.prune(days=MONTH - 1).tombstones == 0
    bench(page(4))
    assert bench.value("SELECT count(*) FROM pages") == 0


def bury(bench: Bench, number: int, days: int) -> None:
    bench.run(
        "INSERT INTO penstock.tombstone (target, key, version, buried_at)"
        f" SELECT 'pages', jsonb_build_array({days}, n), '1', now() - interval '{days} days'"
        f" FROM generate_series(1, {number}) AS n"
    )


def test_many_tombstones_go_in_batches(bench: Bench) -> None:
    """More of them than a batch holds go in one run, each batch in a transaction of its own."""
    bury(bench, 12_000, MONTH + 1)
    bury(bench, 100, MONTH - 1)
    commits: list[Any] = []
    event.listen(bench.engine, "commit", commits.append)
    assert bench.prune().tombstones == 12_000
    assert len(commits) == 1 + 3
    assert bench.value("SELECT count(*) FROM penstock.tombstone") == 100


def test_tombstones_are_found_by_their_age(bench: Bench) -> None:
    """To find what is old nothing that is younger is looked at."""
    bury(bench, 50_000, 1)
    bury(bench, 10, MONTH + 1)
    bench.run("ANALYZE penstock.tombstone")
    with bench.engine.connect() as connection:
        plan = connection.scalars(
            text(f"EXPLAIN {retention._UNBURY.text}"), {"days": MONTH, "batch": retention._BATCH}
        ).all()
    assert any("tombstone_buried_at" in line for line in plan), plan
    assert not any("Seq Scan" in line for line in plan), plan


def test_pruning_keeps_to_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it has no time for is left to the next run."""
    monkeypatch.setattr(retention, "_BATCH", 1)
    bury(bench, 20_000, MONTH + 1)
    first = bench.prune(seconds=1)
    assert 0 < first.tombstones < 20_000
    assert first.seconds < 1
    monkeypatch.undo()
    assert bench.prune().tombstones == 20_000 - first.tombstones


@pytest.mark.parametrize("renewed", [True, False])
def test_a_tombstone_that_is_being_renewed_is_left_alone(bench: Bench, database_url: str, renewed: bool) -> None:
    """While a deletion holds a tombstone nobody waits for it; it goes later if the deletion came to nothing."""
    bury(bench, 2, MONTH + 1)
    with psycopg.connect(database_url) as deletion:
        deletion.execute("UPDATE penstock.tombstone SET version = '2', buried_at = now() WHERE key->>1 = '1'")
        assert bench.prune().tombstones == 1
        if not renewed:
            deletion.rollback()
    assert bench.prune().tombstones == (0 if renewed else 1)


# The function


def test_the_function_logs_what_it_did(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A run leaves one line with its figures, and answers the same."""
    caplog.set_level(logging.INFO, "penstock.consumer.prune")
    bury(bench, 3, MONTH + 1)
    bench.run(A_MONTH_LATER)
    answer = Prune(engine=bench.engine).handler({}, LambdaContext())
    assert json.loads(json.dumps(answer)).items() >= {"rotation": ROTATED, "tombstones": 3}.items()
    (line,) = [record for record in caplog.records if record.name == "penstock.consumer.prune"]
    assert vars(line).items() >= {"action": "pruned", **answer}.items()


def test_a_postponed_rotation_is_a_warning(
    bench: Bench, database_url: str, caplog: pytest.LogCaptureFixture
) -> None:
    """A run that never got hold of the ledger says so, and succeeds: the next one tries again."""
    bench.run(A_MONTH_LATER)
    with in_use(database_url):
        answer = Prune(engine=bench.engine).handler({}, LambdaContext(9))
    assert answer["rotation"] == POSTPONED
    (line,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert vars(line)["action"] == "rotation_postponed"


def test_a_pruning_that_fails_is_loud(caplog: pytest.LogCaptureFixture) -> None:
    """Without its database it logs an error with the cause, and raises, for the alarm on its errors to see."""
    with pytest.raises(DBAPIError):
        Prune(Settings(database_url=NOWHERE)).handler({}, LambdaContext())
    (line,) = [record for record in caplog.records if record.levelno == logging.ERROR]
    assert vars(line)["action"] == "prune_failed"
    assert "hunter2" not in str(vars(line))


# Migrations


def migrate_to(url: str, revision: str, *, down: bool = False) -> None:
    config = Config()
    config.set_main_option("script_location", str(Path(migrate.__file__).parent / "migrations"))
    script = ScriptDirectory.from_config(config)

    def steps(current: Any, _context: Any) -> Any:
        return script._downgrade_revs(revision, current) if down else script._upgrade_revs(revision, current)

    engine = make_engine(url)
    with engine.begin() as connection, EnvironmentContext(config, script, fn=steps) as environment:
        connection.execute(text("CREATE SCHEMA IF NOT EXISTS penstock"))
        environment.configure(
            connection=connection, version_table_schema="penstock", version_table="alembic_version"
        )
        environment.run_migrations()
    engine.dispose()


@pytest.fixture
def empty(postgres: Postgres) -> Iterator[str]:
    """The URL of a database without any table."""
    with psycopg.connect(postgres.url(), autocommit=True) as connection:
        connection.execute("CREATE DATABASE before_generations")
        yield postgres.url("before_generations")
        connection.execute("DROP DATABASE before_generations WITH (FORCE)")


def test_the_ledger_survives_its_migrations(empty: str) -> None:
    """Entries of before the generations are known after the upgrade, and those of both after a downgrade."""
    migrate_to(empty, "0002")
    enter = "INSERT INTO penstock.ledger (id, kind, outcome, stated_at) VALUES (%s, 'k', %s, now())"
    entries = "SELECT outcome FROM penstock.ledger ORDER BY id"
    with psycopg.connect(empty, autocommit=True) as connection:
        connection.execute(enter, [UUID(int=1), "applied"])
        migrate.upgrade(empty)
        assert connection.execute(entries).fetchall() == [("applied",)]
        connection.execute(A_MONTH_LATER)
        engine = make_engine(empty)
        assert retention.prune(Watchdog(engine), 20).rotation == ROTATED
        engine.dispose()
        connection.execute(enter, [UUID(int=1), "stale"])
        connection.execute(enter, [UUID(int=2), "applied"])
        connection.execute("UPDATE penstock.ledger_past SET digest = 7, reused_at = now()")
        migrate_to(empty, "0002", down=True)
        assert connection.execute(entries).fetchall() == [("stale",), ("applied",)]
        migrate.upgrade(empty)
        assert connection.execute(entries).fetchall() == [("stale",), ("applied",)]
