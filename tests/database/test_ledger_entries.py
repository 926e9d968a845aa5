"""Entries of the ledger's two generations, on a real Postgres."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from sqlalchemy import Engine

from penstock.database.ledger_entries import (
    CURRENT,
    PAST,
    count_outcomes,
    find_entry,
    find_states,
    list_unsettled,
)
from tests.support.ledgers import PURGED, Ledger


@pytest.fixture
def ledger(engine: Engine) -> Ledger:
    return Ledger(engine)


def test_an_entry_of_either_generation(ledger: Ledger) -> None:
    """An entry has its outcome, its times and its fault; the entry in the current generation counts."""
    both = ledger.enter("dead", generation="ledger_past")
    ledger.enter("applied", id=both)
    old = ledger.enter("dead", generation="ledger_past", took=2, kind="old.one")
    with ledger.engine.begin() as connection:
        newer, older = find_entry(connection, both), find_entry(connection, old)
        assert find_entry(connection, UUID(int=10**9)) is None
        known = find_states(connection, [both, old, UUID(int=10**9)])
    assert {id_: one.outcome for id_, one in known.items()} == {both: "applied", old: "dead"}
    assert newer is not None
    assert older is not None
    assert (newer.outcome, newer.fault, newer.generation) == ("applied", None, CURRENT)
    assert (older.kind, older.outcome, older.generation, older.attempts) == ("old.one", "dead", PAST, 0)
    assert older.settled_at - older.created_at == timedelta(seconds=2)
    assert older.fault
    assert older.fault["constraint"] == "positive"


def test_outcomes_since_a_time(ledger: Ledger) -> None:
    """Each intent counts once, by its newest outcome; unsettled and purged ones are listed."""
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
