"""Figures and entries of the ledger, on a real Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import psycopg
import pytest
from sqlalchemy import Engine, event

from penstock.database.entries import (
    CURRENT,
    PAST,
    count_outcomes,
    find_entry,
    list_unsettled,
    standings,
)
from penstock.database.figures import DeadCause, Figures, read_figures
from tests.support.ledgers import PURGED, Ledger

DAYS = timedelta(days=14)


def figures_of(ledger: Ledger, service: str = "shop") -> Figures:
    with ledger.engine.begin() as connection:
        return read_figures(connection, service, DAYS)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def test_an_empty_ledger_has_figures(ledger: Ledger) -> None:
    """Where nothing has happened, everything is nought, and times are none."""
    assert figures_of(ledger) == Figures(0, 0, 0, None, None, None, 0, 0, None, [], 0)


def test_what_was_settled_in_the_last_minute(ledger: Ledger) -> None:
    """Both generations count, what is older does not, and neither do those that are handed back."""
    for generation in ("ledger", "ledger_past"):
        for outcome in ("applied", "applied", "stale", "dead", "pending"):
            ledger.enter(outcome, generation=generation)
            ledger.enter(outcome, ago=61, generation=generation)
    found = figures_of(ledger)
    assert (found.applied, found.stale, found.dead, found.settled) == (4, 2, 2, 8)
    assert found.per_second == pytest.approx(8 / 60)
    assert found.pending == 4


def test_the_time_from_emit_to_commit(ledger: Ledger) -> None:
    """Percentiles of what landed; one stated in the future took no time, and the dead do not count."""
    for took in (-5.0, *(float(n) for n in range(1, 101))):
        ledger.enter("applied", took=took)
    ledger.enter("dead", took=1000)
    found = figures_of(ledger)
    assert (found.p50_seconds, found.p99_seconds, found.slowest_seconds) == (50.0, 99.0, 100.0)


def test_what_they_died_of(ledger: Ledger) -> None:
    """Causes by kind, reason, code and constraint; not the purged, the old and those that landed since."""
    first = ledger.enter("dead", ago=5000)
    for _ in range(2):
        ledger.enter("dead", kind="other.done", fault='{"reason": "unknown-kind"}', generation="ledger_past")
    ledger.enter("dead", fault=PURGED)
    ledger.enter("dead", ago=DAYS.total_seconds() + 1)
    landed = ledger.enter("dead", generation="ledger_past")
    ledger.enter("applied", id=landed)
    found = figures_of(ledger)
    assert found.causes == [
        DeadCause("other.done", "unknown-kind", None, None, 2),
        DeadCause("thing.done", "CheckViolation", "23514", "positive", 1),
    ]
    with ledger.engine.begin() as connection:
        entry = find_entry(connection, first)
    assert entry is not None
    assert (found.dead_in_all, found.first_dead_at) == (3, entry.settled_at)


def test_the_connections_that_the_service_holds(ledger: Ledger, database_url: str) -> None:
    """Those whose name begins with the service's count, another service's do not, nor one to another database."""
    names = ["shop:drain:1", "shop:probe:1", "shopping:drain:1", "shop"]
    held = [psycopg.connect(database_url, application_name=name) for name in names]
    held.append(psycopg.connect(database_url, dbname="postgres", application_name="shop:drain:1"))
    try:
        assert figures_of(ledger, "shop").connections == 2
    finally:
        for each in held:
            each.close()


def test_the_figures_do_not_read_the_whole_ledger(ledger: Ledger) -> None:
    """With 200,000 entries each of the statements reads by an index, however often it has been asked before."""
    ledger.fill(200_000)
    ledger.enter("dead")
    asked: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        asked.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", remember)
    for _ in range(8):
        figures_of(ledger)
    event.remove(ledger.engine, "before_cursor_execute", remember)
    with ledger.engine.begin() as connection:
        ledger_asked = {sql: values for sql, values in asked if "penstock.ledger" in sql}
        plans = [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}", values).scalars())
            for sql, values in ledger_asked.items()
        ]
    assert len(plans) == 3
    for plan in plans:
        assert "Seq Scan on ledger " not in plan, plan
    assert "Bitmap Index Scan on ledger_settled_at" in plans[0]
    assert all("ledger_unsettled" in plan for plan in plans[1:])


def test_an_entry_of_either_generation(ledger: Ledger) -> None:
    """An entry has its outcome, its times and its fault; the newer generation is the one that counts."""
    both = ledger.enter("dead", generation="ledger_past")
    ledger.enter("applied", id=both)
    old = ledger.enter("dead", generation="ledger_past", took=2, kind="old.one")
    with ledger.engine.begin() as connection:
        newer, older = find_entry(connection, both), find_entry(connection, old)
        assert find_entry(connection, UUID(int=10**9)) is None
        known = standings(connection, [both, old, UUID(int=10**9)])
    assert {id_: one.outcome for id_, one in known.items()} == {both: "applied", old: "dead"}
    assert newer is not None
    assert older is not None
    assert (newer.outcome, newer.fault, newer.generation) == ("applied", None, CURRENT)
    assert (older.kind, older.outcome, older.generation, older.attempts) == ("old.one", "dead", PAST, 0)
    assert older.settled_at - older.stated_at == timedelta(seconds=2)
    assert older.fault
    assert older.fault["constraint"] == "positive"


def test_outcomes_since_then(ledger: Ledger) -> None:
    """Each intent counts once, by its newest outcome; the unsettled ones are listed, the purged ones marked."""
    for generation in ("ledger", "ledger_past"):
        for outcome in ("applied", "stale", "dead"):
            ledger.enter(outcome, ago=10, generation=generation)
            ledger.enter(outcome, ago=1000, generation=generation)
    replayed = ledger.enter("dead", generation="ledger_past")
    ledger.enter("pending", id=replayed)
    purged = ledger.enter("dead", fault=PURGED)
    since = datetime.now(UTC) - timedelta(seconds=100)
    with ledger.engine.begin() as connection:
        counts = count_outcomes(connection, since)
        listed = {one.id: one for one in list_unsettled(connection, since)}
    assert counts == {"applied": 2, "stale": 2, "dead": 3, "pending": 1}
    assert (len(listed), listed[replayed].outcome) == (4, "pending")
    assert [one.id for one in listed.values() if one.purged] == [purged]
