"""Statistics of the ledger, on a real Postgres."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from sqlalchemy import Engine, event

from penstock.database.ledger_entries import find_entry
from penstock.database.ledger_stats import DeadCause, LedgerStats, read_ledger_stats
from tests.support.ledgers import PURGED, Ledger

DAYS = timedelta(days=14)


def stats_of(ledger: Ledger, service: str = "shop") -> LedgerStats:
    with ledger.engine.begin() as connection:
        return read_ledger_stats(connection, service, DAYS)


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def test_an_empty_ledger_has_statistics(ledger: Ledger) -> None:
    """Without entries the counts are 0, and the times are None."""
    assert stats_of(ledger) == LedgerStats(0, 0, 0, None, None, None, 0, [], 0, None, [], 0)


def test_what_was_settled_in_the_last_minute(ledger: Ledger) -> None:
    """Both generations count; older entries and pending ones do not."""
    for generation in ("ledger", "ledger_past"):
        for outcome in ("applied", "applied", "stale", "dead", "pending"):
            ledger.enter(outcome, generation=generation)
            ledger.enter(outcome, ago=61, generation=generation)
    found = stats_of(ledger)
    assert (found.applied, found.stale, found.dead, found.settled) == (4, 2, 2, 8)
    assert found.per_second == pytest.approx(8 / 60)
    assert found.pending == 4


def test_the_time_from_emit_to_commit(ledger: Ledger) -> None:
    """Percentiles are of applied and stale intents; one created in the future took no time."""
    for took in (-5.0, *(float(n) for n in range(1, 101))):
        ledger.enter("applied", took=took)
    ledger.enter("dead", took=1000)
    found = stats_of(ledger)
    assert (found.p50_seconds, found.p99_seconds, found.slowest_seconds) == (50.0, 99.0, 100.0)


def test_what_intents_wait_for(ledger: Ledger) -> None:
    """Pending intents are grouped by kind and cause, with the time of the first, the most frequent first."""
    column = '{"fault": "SchemaFault", "reason": "UndefinedColumn", "sqlstate": "42703", "column": "path"}'
    for ago, generation in ((5, "ledger"), (100, "ledger"), (50, "ledger_past")):
        ledger.enter("pending", ago=ago, took=1, fault=column, generation=generation)
    ledger.enter("pending", kind="other.done", fault='{"fault": "NotYetFault", "reason": "unknown-kind"}')
    ledger.enter("dead", fault=column)
    first, second = stats_of(ledger).waiting
    assert (first.kind, first.fault, first.reason) == ("thing.done", "SchemaFault", "UndefinedColumn")
    assert (first.sqlstate, first.table, first.column, first.count) == ("42703", None, "path", 3)
    assert 100 < (datetime.now(UTC) - first.since).total_seconds() < 130
    assert (second.kind, second.count, second.sqlstate) == ("other.done", 1, None)


def test_what_may_rest(ledger: Ledger) -> None:
    """Pending intents can rest for as long as SQS hides a message, which is 12 hours at most."""
    for ago, generation in ((5, "ledger"), (11 * 3600, "ledger_past"), (13 * 3600, "ledger")):
        ledger.enter("pending", ago=ago, generation=generation)
    ledger.enter("dead")
    found = stats_of(ledger)
    assert (found.resting, found.pending) == (2, 3)


def test_the_causes_of_death(ledger: Ledger) -> None:
    """Causes are grouped by kind, reason, code and constraint, without purged, old and since applied intents."""
    first = ledger.enter("dead", ago=5000)
    for _ in range(2):
        ledger.enter("dead", kind="other.done", fault='{"reason": "unknown-kind"}', generation="ledger_past")
    ledger.enter("dead", fault=PURGED)
    ledger.enter("dead", ago=DAYS.total_seconds() + 1)
    landed = ledger.enter("dead", generation="ledger_past")
    ledger.enter("applied", id=landed)
    found = stats_of(ledger)
    assert found.causes == [
        DeadCause("other.done", "unknown-kind", None, None, 2),
        DeadCause("thing.done", "CheckViolation", "23514", "positive", 1),
    ]
    with ledger.engine.begin() as connection:
        entry = find_entry(connection, first)
    assert entry is not None
    assert (found.dead_in_all, found.first_dead_at) == (3, entry.settled_at)


def test_the_connections_that_the_service_holds(ledger: Ledger, database_url: str) -> None:
    """A connection counts if its name begins with the service's and it is to the same database."""
    names = ["shop:drain:1", "shop:probe:1", "shopping:drain:1", "shop"]
    held = [psycopg.connect(database_url, application_name=name) for name in names]
    held.append(psycopg.connect(database_url, dbname="postgres", application_name="shop:drain:1"))
    try:
        assert stats_of(ledger, "shop").connections == 2
    finally:
        for each in held:
            each.close()


def test_the_whole_ledger_is_not_read(ledger: Ledger) -> None:
    """With 200,000 entries each statement uses an index, also when it is executed repeatedly."""
    ledger.fill(200_000)
    ledger.enter("dead")
    executed: list[tuple[str, Any]] = []

    def remember(_connection: Any, _cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        executed.append((statement, parameters))

    event.listen(ledger.engine, "before_cursor_execute", remember)
    for _ in range(8):
        stats_of(ledger)
    event.remove(ledger.engine, "before_cursor_execute", remember)
    with ledger.engine.begin() as connection:
        ledger_statements = {sql: values for sql, values in executed if "penstock.ledger" in sql}
        plans = [
            "\n".join(connection.exec_driver_sql(f"EXPLAIN {sql}", values).scalars())
            for sql, values in ledger_statements.items()
        ]
    assert len(plans) == 4
    for plan in plans:
        assert "Seq Scan on ledger " not in plan, plan
    assert "Bitmap Index Scan on ledger_settled_at" in plans[0]
    assert all("ledger_unsettled" in plan for plan in plans[1:])
